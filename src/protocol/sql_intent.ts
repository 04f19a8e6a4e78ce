import type { BinaryString } from "./bytes.ts";

/** What a text says of reading and writing by its words alone. */
export interface SqlIntent {
  readonly intent: "read" | "write";
  /** For how long: BEGIN READ ONLY says it for its transaction. */
  readonly scope: "transaction" | "statement";
}

const SKIPPED = /(?:\s+|;|--[^\r\n]*|\/\*[^]*?\*\/)*/y;
const BEGINS = /(?:begin(?:\s+(?:work|transaction))?|start\s+transaction)\b([^;]*)/iy;
const MODE = /\bread\s+(only|write)\b/gi;
/** Behind BEGIN READ ONLY in one text: the transaction may end there, or be made to write. */
const ENDS = /\b(?:commit|end|rollback|abort|write|transaction_read_only)\b/i;
/** What servers run in a READ ONLY transaction, or outside of any, but never during recovery. */
const NOT_IN_RECOVERY = /(?:listen|unlisten|notify|vacuum|analy[sz]e|reindex|cluster)\b/iy;
const CHANNEL_FUNCTIONS = /\bpg_(?:notify|listening_channels)\b/i;

/**
 * Whether a text may have a {@link sqlIntent}, by its first two letters; of a SELECT by whether it may call what works on
 * channels. Allocates nothing.
 *
 * The text goes to `textEnd`, of which what lies before `end` has come: where that does not tell yet, it may.
 */
export function mayHaveIntent(bytes: Uint8Array, start: number, end: number, textEnd: number): boolean {
  if (textEnd < end) end = textEnd;
  for (let at = start; at < end; at++) {
    const c = bytes[at]!;
    if (c === 0x20 || c === 0x3b || (c >= 0x09 && c <= 0x0d)) continue;
    if (c === 0x2d || c === 0x2f) return true; // - /
    const first = (c | 0x20) - 0x61;
    const second = SECOND[first] ?? 0;
    if (second === 0) return false;
    if (at + 1 >= end) break;
    const next = bytes[at + 1]! | 0x20;
    if (next === second) return true;
    return first === S && next === E && (end < textEnd || mayNameChannels(bytes, at, end));
  }
  return end < textEnd;
}

/** Whether `pg_n` or `pg_l` stands in a text. */
function mayNameChannels(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start + 2; at + 1 < end; at++) {
    if (bytes[at] !== 0x5f || (bytes[at - 1]! | 0x20) !== 0x67 || (bytes[at - 2]! | 0x20) !== 0x70) continue;
    const c = bytes[at + 1]! | 0x20;
    if (c === 0x6e || c === 0x6c) return true;
  }
  return false;
}

/** The second letter of begin, start, and what is not run during recovery (VALUES too), by the first one: 0 for a. */
const SECOND: Readonly<Uint8Array> = secondLetters(["be", "st", "li", "un", "no", "va", "an", "re", "cl"]);
const S = 18;
const E = 0x65;

function secondLetters(beginnings: readonly string[]): Uint8Array {
  const letters = new Uint8Array(26);
  for (const text of beginnings) letters[text.charCodeAt(0) - 0x61] = text.charCodeAt(1);
  return letters;
}

/**
 * What `text` says: BEGIN and START TRANSACTION with READ ONLY or READ WRITE, and what no standby runs though a READ ONLY
 * session may: LISTEN, NOTIFY, VACUUM and the like. Null for any other.
 */
export function sqlIntent(text: BinaryString): SqlIntent | null {
  SKIPPED.lastIndex = 0;
  SKIPPED.test(text);
  const at = SKIPPED.lastIndex;
  NOT_IN_RECOVERY.lastIndex = BEGINS.lastIndex = at;
  if (NOT_IN_RECOVERY.test(text) || CHANNEL_FUNCTIONS.test(text)) {
    return { intent: "write", scope: "statement" };
  }
  const begins = BEGINS.exec(text);
  const mode = [...begins?.[1]?.matchAll(MODE) ?? []].at(-1)?.[1]?.toLowerCase();
  if (mode === "write") return { intent: "write", scope: "transaction" };
  const isRead = mode === "only" && !ENDS.test(text.slice(BEGINS.lastIndex));
  return isRead ? { intent: "read", scope: "transaction" } : null;
}
