import { binaryFromUtf8, type BinaryString, putBinary, utf8FromBinary } from "./bytes.ts";

/** Encodings of one byte a character by PostgreSQL's names ("Character Set Support"), with the labels that decoders know them by. */
const SINGLE: ReadonlyMap<string, string> = new Map([
  ["LATIN2", "iso-8859-2"],
  ["LATIN3", "iso-8859-3"],
  ["LATIN4", "iso-8859-4"],
  ["LATIN5", "windows-1254"],
  ["LATIN6", "iso-8859-10"],
  ["LATIN7", "iso-8859-13"],
  ["LATIN8", "iso-8859-14"],
  ["LATIN9", "iso-8859-15"],
  ["LATIN10", "iso-8859-16"],
  ["ISO_8859_5", "iso-8859-5"],
  ["ISO_8859_6", "iso-8859-6"],
  ["ISO_8859_7", "iso-8859-7"],
  ["ISO_8859_8", "iso-8859-8"],
  ["WIN866", "ibm866"],
  ["WIN874", "windows-874"],
  ["WIN1250", "windows-1250"],
  ["WIN1251", "windows-1251"],
  ["WIN1252", "windows-1252"],
  ["WIN1253", "windows-1253"],
  ["WIN1254", "windows-1254"],
  ["WIN1255", "windows-1255"],
  ["WIN1256", "windows-1256"],
  ["WIN1257", "windows-1257"],
  ["WIN1258", "windows-1258"],
  ["KOI8R", "koi8-r"],
  ["KOI8U", "koi8-u"],
]);

/** Encodings of several bytes: what they say can be read, and is not written. */
const MULTIPLE: ReadonlyMap<string, string> = new Map([
  ["EUC_JP", "euc-jp"],
  ["SJIS", "shift_jis"],
  ["EUC_KR", "euc-kr"],
  ["UHC", "euc-kr"],
  ["EUC_CN", "gbk"],
  ["GBK", "gbk"],
  ["GB18030", "gb18030"],
  ["BIG5", "big5"],
]);

/** No text is converted to or from it. */
const BYTES = "SQL_ASCII";

/**
 * A text in another of PostgreSQL's encodings, as servers convert it; null where it has characters that the other has not, or where one
 * of both is not known here. Source: src/backend/utils/mb/mbutils.c.
 */
export function transcode(text: BinaryString, from: string, to: string): BinaryString | null {
  if (from === to || from === BYTES || to === BYTES || isAscii(text)) return text;
  const characters = decode(text, from);
  return characters === null ? null : encode(characters, to);
}

/** Whether a text is known to be one in this encoding. */
export function isWrittenIn(text: BinaryString, encoding: string): boolean {
  return isAscii(text) || encoding === BYTES || decode(text, encoding) !== null;
}

/** Whether all encodings write it alike. */
export function isAscii(text: BinaryString): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

function decode(text: BinaryString, encoding: string): string | null {
  if (encoding === "LATIN1") return text;
  if (encoding === "UTF8") {
    const characters = utf8FromBinary(text);
    return binaryFromUtf8(characters) === text ? characters : null;
  }
  const label = SINGLE.get(encoding) ?? MULTIPLE.get(encoding);
  if (label === undefined) return null;
  const bytes = new Uint8Array(text.length);
  putBinary(bytes, 0, text);
  try {
    return new TextDecoder(label, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

function encode(characters: string, encoding: string): BinaryString | null {
  if (encoding === "UTF8") return binaryFromUtf8(characters);
  const label = SINGLE.get(encoding);
  if (label === undefined && encoding !== "LATIN1") return null;
  let text = "";
  for (const character of characters) {
    const code = character.charCodeAt(0);
    const byte = code < 0x80 ? code : label === undefined ? latin1(character) : byteOf(character, encoding);
    if (byte === null) return null;
    text += String.fromCharCode(byte);
  }
  return text;
}

function latin1(character: string): number | null {
  return character.length === 1 && character.charCodeAt(0) < 0x100 ? character.charCodeAt(0) : null;
}

/** Names are short and seldom: no table is kept. */
function byteOf(character: string, encoding: string): number | null {
  for (let byte = 0x80; byte < 0x100; byte++) {
    if (decode(String.fromCharCode(byte), encoding) === character) return byte;
  }
  return null;
}
