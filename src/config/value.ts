import { assertNever, NAME_BYTES_MAX } from "../kernel/mod.ts";
import { DURATION_MS_MAX, formatDuration, parseDuration } from "./duration.ts";
import { Secret } from "./secret.ts";
import type { SettingType, TextShape } from "./setting.ts";
import { formatSize, parseSize } from "./size.ts";

/** MAX_USERNAME - 1 in PgBouncer's bouncer.h: some cloud services use longer names than PostgreSQL's. */
export const USER_BYTES_MAX = 127;
/** MAX_PASSWORD - 1 in PgBouncer's bouncer.h: some cloud services generate very long ones. */
export const PASSWORD_BYTES_MAX = 2047;
/** Enough for an SQL look-up; also the longest path of Linux, PATH_MAX. */
const TEXT_BYTES_MAX = 4096;

/** What SET in the console may say besides. */
const BOOLEANS: ReadonlyMap<unknown, boolean> = new Map([
  ["true", true],
  ["on", true],
  ["1", true],
  ["0", false],
  ["false", false],
  ["off", false],
]);

/** A value in the form of the configuration, or why there is none. */
export type ParsedValue = { readonly value: unknown } | { readonly expected: string };

/**
 * `raw`, as YAML gives it (string, number, boolean, null, list of these), in the form that the configuration keeps:
 * milliseconds, bytes, {@link Secret}. Otherwise what was expected, as the end of "must be …". Only for types of a single
 * value: groups, maps and lists are read by their members.
 */
export function parseValue(type: SettingType, raw: unknown): ParsedValue {
  const value = accepted(type, raw);
  return value === undefined ? { expected: describeType(type) } : { value };
}

function accepted(type: SettingType, raw: unknown): unknown {
  switch (type.kind) {
    case "text":
      return raw === null && type.nullable ? null : textIn(type.shape ?? "any", raw);
    case "texts": {
      const texts = Array.isArray(raw) ? raw : [raw];
      const good = texts.length <= type.entriesMax &&
        texts.every((item) => textIn("any", item) !== undefined && (type.values?.includes(item) ?? true));
      return good ? texts : undefined;
    }
    case "integer":
      return Number.isInteger(raw) && within(raw as number, type.min, type.max) ? raw : undefined;
    case "duration": {
      const ms = typeof raw === "number"
        ? secondsOf(raw)
        : typeof raw === "string"
        ? parseDuration(raw)
        : undefined;
      return ms !== undefined && ms >= (type.minMs ?? 0) ? ms : undefined;
    }
    case "size": {
      const bytes = raw === 0 ? 0 : typeof raw === "string" ? parseSize(raw) : undefined;
      return bytes !== undefined && within(bytes, type.min, type.max) ? bytes : undefined;
    }
    case "choice":
      return type.values.includes(raw as string) ? raw : undefined;
    case "boolean":
      return typeof raw === "boolean" ? raw : BOOLEANS.get(raw);
    case "query":
      if (raw === null || raw === true) return raw;
      return typeof raw === "string" && /\$1(?!\d)/.test(raw) ? textIn("any", raw) : undefined;
    case "secret": {
      if (raw === null) return null;
      const good = typeof raw === "string" && raw !== "" && !raw.includes("\0") &&
        bytesOf(raw) <= PASSWORD_BYTES_MAX;
      return good ? new Secret(raw) : undefined;
    }
    case "file":
      return raw === null && type.nullable ? null : oneLine(raw);
    case "env":
      return raw === null ? null : oneLine(raw);
    case "group":
    case "map":
    case "list":
      return undefined;
    default:
      assertNever(type);
  }
}

/** What a value of this type is, as the end of "must be …". */
export function describeType(type: SettingType): string {
  switch (type.kind) {
    case "text":
      return describeShape(type.shape ?? "any") + (type.nullable ? " or null" : "");
    case "texts":
      return type.values === undefined ? "text or a list of texts" : `a list of ${type.values.join(", ")}`;
    case "integer":
      return `a whole number from ${type.min} to ${type.max}`;
    case "duration": {
      const least = type.minMs ? ` of ${formatDuration(type.minMs)} or more` : "";
      return `a duration${least} with its unit, such as 250ms, 5s, 2m, 1h, at most 24d`;
    }
    case "size":
      return `a size from ${formatSize(type.min)} to ${
        formatSize(type.max)
      } with its unit, such as 64kB, 16MB`;
    case "choice":
      return `one of ${type.values.join(", ")}`;
    case "boolean":
      return "true or false";
    case "query":
      return "null, true, or SQL in which $1 is the user's name";
    case "secret":
      return `text of 1 to ${PASSWORD_BYTES_MAX} bytes, in quotes unless it is made of letters, or null`;
    case "file":
      return "a file's name" + (type.nullable ? " or null" : "");
    case "env":
      return "an environment variable's name or null";
    case "group":
      return (type.shorthand ? `a ${type.shorthand} or ` : "") + "a mapping of keys to values" +
        (type.nullable ? " or null" : "");
    case "map":
      return "a mapping of names to values";
    case "list":
      return "a list";
    default:
      assertNever(type);
  }
}

/** A configuration's value as the file would have it, on one line; a secret is `***`. */
export function formatValue(type: SettingType, value: unknown): string {
  if (value instanceof Secret || (type.kind === "secret" && value !== null)) return "***";
  if (value === null || value === undefined) return "null";
  if (type.kind === "duration") return formatDuration(value as number);
  if (type.kind === "size") return formatSize(value as number);
  if (Array.isArray(value)) return value.join(", ");
  return String(value);
}

/** What a text of this shape is, as the end of "must be …". */
export function describeShape(shape: TextShape): string {
  switch (shape) {
    case "any":
      return "text";
    case "name":
      return `1 to ${NAME_BYTES_MAX} letters, digits, "_", "-" or "."`;
    case "database":
      return `text of 1 to ${NAME_BYTES_MAX} bytes`;
    case "user":
      return `text of 1 to ${USER_BYTES_MAX} bytes`;
    case "absolute":
      return 'a path that begins with "/"';
    default:
      assertNever(shape);
  }
}

/** `raw` when it is a text of this shape, else undefined. */
export function textIn(shape: TextShape, raw: unknown): string | undefined {
  if (typeof raw !== "string" || raw === "" || raw.includes("\0") || bytesOf(raw) > TEXT_BYTES_MAX) {
    return undefined;
  }
  switch (shape) {
    case "any":
      return raw;
    case "name":
      return raw.length <= NAME_BYTES_MAX && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(raw) ? raw : undefined;
    case "database":
      return bytesOf(raw) <= NAME_BYTES_MAX ? raw : undefined;
    case "user":
      return bytesOf(raw) <= USER_BYTES_MAX ? raw : undefined;
    case "absolute":
      return raw.startsWith("/") ? raw : undefined;
    default:
      assertNever(shape);
  }
}

/** A name, and not the text of the file itself. */
function oneLine(raw: unknown): string | undefined {
  const text = textIn("any", raw);
  return text === undefined || /[\r\n]/.test(text) ? undefined : text;
}

/** A bare number is PgBouncer's seconds. */
function secondsOf(seconds: number): number | undefined {
  const ms = Math.round(seconds * 1000);
  return ms >= 0 && ms <= DURATION_MS_MAX ? ms : undefined;
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
