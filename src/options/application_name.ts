import type { Settings } from "../backend/mod.ts";
import { NAME_BYTES_MAX } from "../kernel/mod.ts";
import { Back, type BinaryString, encodeBack, putBinary } from "../protocol/mod.ts";

/** Since this major version an unprintable byte is escaped; before it becomes a question mark. */
const ESCAPES_SINCE = 16;

/**
 * What a server makes of the application_name of a startup packet: it cuts at 63 bytes, between two characters of its encoding,
 * then replaces each byte that is no printable ASCII (GUC_IS_NAME, then pg_clean_ascii() of check_application_name()).
 *
 * What grows over 63 bytes by that is cut again: no SET, which is how the name comes to a server connection, takes more.
 *
 * @param settings what the server reports to a client that logs in
 */
export function serverApplicationName(given: BinaryString, settings: Settings): BinaryString {
  const cut = cutBetweenCharacters(given, settings.values.get("server_encoding") === "UTF8");
  const escapes = parseInt(settings.values.get("server_version") ?? "", 10) >= ESCAPES_SINCE;
  const clean = cut.replace(
    /[^ -~]/g,
    (byte) => escapes ? `\\x${byte.charCodeAt(0).toString(16).padStart(2, "0")}` : "?",
  );
  return clean.slice(0, NAME_BYTES_MAX);
}

/** The NoticeResponse with which a server says that it cuts a name that is too long (truncate_identifier()); no byte where it is not. */
export function noticeOfName(given: BinaryString, settings: Settings): Uint8Array {
  const cut = cutBetweenCharacters(given, settings.values.get("server_encoding") === "UTF8");
  if (cut === given) return new Uint8Array(0);
  const message = `identifier "${given}" will be truncated to "${cut}"`;
  const fields = ["SNOTICE", "VNOTICE", "C42622", `M${message}`, "Rtruncate_identifier", "", ""].join("\0");
  const body = new Uint8Array(fields.length);
  putBinary(body, 0, fields);
  return encodeBack(Back.NoticeResponse, body);
}

/** As pg_mbcliplen() reads UTF-8: by the first byte of each character, whatever follows it. */
function cutBetweenCharacters(name: BinaryString, utf8: boolean): BinaryString {
  if (name.length <= NAME_BYTES_MAX) return name;
  let end = 0;
  for (;;) {
    const next = end + (utf8 ? characterBytes(name.charCodeAt(end)) : 1);
    if (next > NAME_BYTES_MAX) return name.slice(0, end);
    end = next;
  }
}

/** Bytes of a character of UTF-8 that begins with this one; 1 where none does (pg_utf_mblen). */
function characterBytes(first: number): number {
  if ((first & 0xe0) === 0xc0) return 2;
  if ((first & 0xf0) === 0xe0) return 3;
  return (first & 0xf8) === 0xf0 ? 4 : 1;
}
