import { NAME_BYTES_MAX } from "../kernel/mod.ts";
import { type BinaryString, binaryString } from "./bytes.ts";
import { isAscii, transcode } from "./encodings.ts";
import { truncated } from "./sql_tokens.ts";

/** Those of clients alone in which an ASCII character, a backslash too, may be a part of another one. */
const HIDING_ASCII: ReadonlySet<string> = new Set([
  "BIG5",
  "GB18030",
  "GBK",
  "JOHAB",
  "SHIFT_JIS_2004",
  "SJIS",
  "UHC",
]);

/**
 * In which encoding a client names things, and in which its server keeps the names: that stays, whatever the client does with its
 * client_encoding. Pure.
 */
export class ClientEncoding {
  #client = "";
  #server = "";
  #differs = false;
  #hidesAscii = false;
  #isUtf8 = true;

  /** Whether names that are not ASCII are written differently by both. */
  get differs(): boolean {
    return this.#differs;
  }

  /** Whether a byte that looks like ASCII may be a part of another character. */
  get hidesAscii(): boolean {
    return this.#hidesAscii;
  }

  /** These are the session's settings now. */
  follow(values: ReadonlyMap<string, BinaryString>): void {
    this.#client = values.get("client_encoding") ?? "";
    this.#server = values.get("server_encoding") ?? "";
    this.#differs = this.#client !== this.#server && this.#client !== "" && this.#server !== "";
    this.#hidesAscii = HIDING_ASCII.has(this.#client);
    this.#isUtf8 = !this.#differs && (this.#server === "UTF8" || this.#server === "");
  }

  /**
   * Whether one of these names may be another one to the server than it is as it is written. Only UTF8 is the same to both: others
   * are converted, and folded to small letters and cut otherwise.
   */
  mayMisname(written: readonly BinaryString[]): boolean {
    return !this.#isUtf8 && !written.every(isAscii);
  }

  /** A name of the client's as the server keeps it. What cannot be converted here stays as it is. */
  toServer(name: BinaryString): BinaryString {
    return this.#differs ? truncated(this.#converted(name)) : name;
  }

  #converted(name: BinaryString): BinaryString {
    return transcode(name, this.#client, this.#server) ?? name;
  }

  /** Names of the client's as the server keeps them. */
  allToServer(names: readonly BinaryString[]): readonly BinaryString[] {
    return this.#differs ? names.map((name) => this.toServer(name)) : names;
  }

  /** A name that the server keeps as it is written in `encoding`, the client's unless said; null where that cannot be done. */
  toClient(name: BinaryString, encoding: BinaryString = this.#client): BinaryString | null {
    return this.#server === "" ? name : transcode(name, this.#server, encoding);
  }

  /** A prepared statement's name as the server keys it. `end` is where its NUL lies. */
  statementName(bytes: Uint8Array, start: number, end: number): BinaryString {
    const cut = Math.min(end, start + NAME_BYTES_MAX);
    const name = binaryString(bytes, start, cut);
    return this.#differs ? this.#converted(name).slice(0, NAME_BYTES_MAX) : name;
  }
}
