import { formatDuration, parseValue, type Segments, settingAt } from "../config/mod.ts";
import type { Plain } from "./yaml_text.ts";

/** A value as pgplex.yaml has it, or why it cannot be one, as the end of "must be …". */
export type Carried = { readonly value: Plain } | { readonly refused: string };

/** PgBouncer's `text` for one of its keys as the value of the setting of pgplex at `path`, whose kind says how it is written. */
export function carriedValue(path: Segments, text: string): Carried {
  const setting = settingAt(path);
  if (setting === undefined) return { refused: "something that pgplex has a setting for" };
  const { type } = setting;
  switch (type.kind) {
    case "duration":
      return checked(path, durationOf(text) ?? text);
    case "integer":
      return checked(path, /^\d+$/.test(text) ? Number(text) : text);
    case "boolean":
      return checked(path, text === "1" || /^(?:on|true|yes)$/i.test(text));
    case "texts":
      return checked(path, commaList(text));
    default:
      return checked(path, text);
  }
}

function checked(path: Segments, value: Plain): Carried {
  const parsed = parseValue(settingAt(path)!.type, value);
  return "value" in parsed ? { value } : { refused: parsed.expected };
}

/** PgBouncer's seconds, which may have a fraction, with a unit. */
export function durationOf(seconds: string): string | undefined {
  if (!/^\d+(?:\.\d*)?$/.test(seconds)) return undefined;
  return formatDuration(Math.round(Number(seconds) * 1000));
}

/** What stands between commas, without blanks and empty places. */
export function commaList(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}
