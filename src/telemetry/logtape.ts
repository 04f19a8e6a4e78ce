import { configureSync, getLogger, jsonLinesFormatter, type LogRecord } from "@logtape/logtape";
import type { Log, LogFields } from "./log.ts";

/** How messages are written to standard error. */
export interface LogOptions {
  readonly level: "trace" | "debug" | "info" | "warning" | "error" | "fatal";
  readonly format: "text" | "json";
  /** Writes one line, its newline included. */
  readonly write: (line: string) => void;
}

/** Binds LogTape to one writer and returns the process's log. Calling it again replaces level and format. */
export function openLog({ level, format, write }: LogOptions): Log {
  const toLine = format === "json" ? jsonLinesFormatter : textLine;
  configureSync({
    reset: true,
    sinks: { out: (record) => write(toLine(record)) },
    loggers: [
      { category: "pgplex", sinks: ["out"], lowestLevel: level },
      { category: ["logtape", "meta"], sinks: ["out"], lowestLevel: "error" },
    ],
  });
  const logger = getLogger("pgplex");
  return {
    debug: (message, fields) => logger.debug(message, () => present(fields)),
    info: (message, fields) => logger.info(message, () => present(fields)),
    warning: (message, fields) => logger.warn(message, () => present(fields)),
    error: (message, fields) => logger.error(message, () => present(fields)),
  };
}

function present(fields: LogFields = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  );
}

/** One line for people: time, level, message, and the fields as name=value. */
function textLine(record: LogRecord): string {
  const fields = Object.entries(record.properties).map(([name, value]) => ` ${name}=${plain(String(value))}`)
    .join("");
  const time = new Date(record.timestamp).toISOString();
  return `${time} ${record.level.toUpperCase().padEnd(7)} ${record.message.join("")}${fields}\n`;
}

/** Nothing that a peer sends can begin a line of its own in the log. */
function plain(value: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what must not pass
  return /[\s"=\u0000-\u001f\u007f]/.test(value) ? JSON.stringify(value) : value;
}
