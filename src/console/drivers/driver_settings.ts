import { PgplexError } from "../../kernel/mod.ts";
import type { Answer, Notice } from "../answer/mod.ts";
import type { Args, Asker } from "../command/mod.ts";

/** The version of PostgreSQL that the console presents; drivers derive features from it. */
export const IMITATED_VERSION = "18.0";

/** A setting of PostgreSQL that drivers set at connect or ask for, with the console's value. */
interface DriverSetting {
  /** As PostgreSQL writes it. */
  readonly name: string;
  readonly value: string;
  /** Reported to the client when it changes (GUC_REPORT). */
  readonly reported?: true;
  /** Setting it has no effect: the console always answers with this value. */
  readonly fixed?: true;
}

/** By name in lower case: none of these is a key of the configuration. */
const DRIVER_SETTINGS: ReadonlyMap<string, DriverSetting> = new Map(
  ([
    { name: "application_name", value: "", reported: true },
    { name: "bytea_output", value: "hex" },
    { name: "client_encoding", value: "UTF8", fixed: true },
    { name: "client_min_messages", value: "notice" },
    { name: "DateStyle", value: "ISO, MDY", fixed: true },
    { name: "default_transaction_isolation", value: "read committed" },
    { name: "default_transaction_read_only", value: "off" },
    { name: "extra_float_digits", value: "1" },
    { name: "idle_in_transaction_session_timeout", value: "0" },
    { name: "IntervalStyle", value: "postgres", fixed: true },
    { name: "idle_session_timeout", value: "0" },
    { name: "jit", value: "off" },
    { name: "lock_timeout", value: "0" },
    { name: "max_identifier_length", value: "63", fixed: true },
    { name: "row_security", value: "on" },
    { name: "search_path", value: "" },
    { name: "server_encoding", value: "UTF8", fixed: true },
    { name: "server_version", value: IMITATED_VERSION, fixed: true },
    { name: "server_version_num", value: "180000", fixed: true },
    { name: "standard_conforming_strings", value: "on", fixed: true },
    { name: "statement_timeout", value: "0" },
    { name: "synchronous_commit", value: "on" },
    { name: "synchronize_seqscans", value: "on" },
    { name: "TimeZone", value: "UTC", fixed: true },
    { name: "transaction_isolation", value: "read committed" },
    { name: "transaction_read_only", value: "off" },
    { name: "transaction_timeout", value: "0" },
  ] as const).map((setting) => [setting.name.toLowerCase(), setting]),
);

/** Whether `name` is a setting of the console connection itself, kept for drivers. */
export function isDriverSetting(name: string): boolean {
  return DRIVER_SETTINGS.has(name.toLowerCase());
}

/** SHOW of a driver's setting, in a column of its name. */
export function showDriverSetting(name: string, asker: Asker): Answer {
  const setting = DRIVER_SETTINGS.get(name.toLowerCase())!;
  const value = asker.driverSettings.get(name.toLowerCase()) ?? setting.value;
  return { columns: [{ name: setting.name, type: "text" }], rows: [[value]] };
}

/** SET of a driver's setting: remembered for SHOW, without any effect on what the console answers. */
export function setDriverSetting(name: string, value: string, asker: Asker): Answer {
  const setting = DRIVER_SETTINGS.get(name.toLowerCase())!;
  if (setting.fixed) return { notices: fixedNotice(setting, value) };
  asker.driverSettings.set(name.toLowerCase(), value);
  if (setting.reported) asker.report(setting.name, value);
  return {};
}

/** RESET of a driver's setting; null: of all. */
export function resetDriverSetting(name: string | null, asker: Asker): Answer {
  const key = name?.toLowerCase() ?? null;
  if (key === null) asker.driverSettings.clear();
  else asker.driverSettings.delete(key);
  if (key === null || key === "application_name") {
    asker.driverSettings.set("application_name", asker.startupName);
    asker.report("application_name", asker.startupName);
  }
  return {};
}

/** The values of a SET that drivers send, commas between them: `ISO, MDY`. */
export function driverValue(args: Args): string {
  return args.texts(1, 10).join(", ");
}

function fixedNotice({ name, value }: DriverSetting, asked: string): readonly Notice[] {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
  if (
    plain(value).startsWith(plain(asked)) || plain(asked).startsWith("utf8") || plain(asked) === "unicode" ||
    asked.toUpperCase() === "DEFAULT"
  ) {
    return [];
  }
  return [{ severity: "WARNING", message: `the console's ${name} is always ${value}` }];
}

/** @throws PgplexError when a transaction command is followed by anything but words */
export function transactionWords(args: Args): void {
  for (let index = 0; index < args.count; index++) {
    const word = args.keyword(index);
    if (word === null && args.tokens[index]!.kind !== "mark") {
      throw new PgplexError("syntax_error", "syntax error behind the transaction command");
    }
  }
}
