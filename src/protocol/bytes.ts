/**
 * Text on the wire is kept as a "binary string": one UTF-16 unit (0 to 255) a byte. Bytes stay what they are whatever
 * the client's encoding, comparing is cheap, and nothing is lost on the way back.
 */
export type BinaryString = string;

/** Reads a signed big-endian 32-bit integer at `at`. */
export function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Reads an unsigned big-endian 32-bit integer at `at`. */
export function uint32At(bytes: Uint8Array, at: number): number {
  return int32At(bytes, at) >>> 0;
}

/** Reads an unsigned big-endian 16-bit integer at `at`. */
export function uint16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Writes `value` as a big-endian 32-bit integer at `at`. */
export function putInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Where the NUL that ends the string at `start` lies, or -1 when there is none before `end`. */
export function findNul(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (bytes[i] === 0) return i;
  return -1;
}

const PIECE = 8192;

/** The bytes from `start` to `end` as a {@link BinaryString}. */
export function binaryString(bytes: Uint8Array, start: number, end: number): BinaryString {
  if (end - start <= PIECE) {
    return String.fromCharCode.apply(null, bytes.subarray(start, end) as unknown as number[]);
  }
  let text = "";
  for (let at = start; at < end; at += PIECE) text += binaryString(bytes, at, Math.min(end, at + PIECE));
  return text;
}

/** Writes a {@link BinaryString} at `at` and returns the place behind it. */
export function putBinary(bytes: Uint8Array, at: number, text: BinaryString): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** A {@link BinaryString} read as UTF-8, for names that meet the configuration or a log. */
export function utf8FromBinary(text: BinaryString): string {
  const bytes = new Uint8Array(text.length);
  putBinary(bytes, 0, text);
  return utf8.decode(bytes);
}

/** A text as the {@link BinaryString} of its UTF-8 bytes. */
export function binaryFromUtf8(text: string): BinaryString {
  const bytes = encoder.encode(text);
  return binaryString(bytes, 0, bytes.length);
}

/** Whether `byte` stands between `start` and `end`. */
export function holdsByte(bytes: Uint8Array, start: number, end: number, byte: number): boolean {
  const at = bytes.indexOf(byte, start);
  return at >= 0 && at < end;
}

/** Whether a backslash or a byte that is not ASCII stands between `start` and `end`. */
export function holdsOdd(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at]! >= 0x80 || bytes[at] === 0x5c) return true;
  return false;
}
