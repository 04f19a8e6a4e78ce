import { secretExpected, secretServes } from "./check.ts";
import { settingEntries, type SettingEntry } from "./entries.ts";
import { parseHba, parseIdent } from "./hba.ts";
import { inOrder, parseConfig, type ParsedConfig, type RefusedConfig } from "./parse.ts";
import { valueAt, withValue } from "./path.ts";
import type { Problem } from "./problem.ts";
import type { Config, UserConfig } from "./schema.ts";
import { Secret } from "./secret.ts";
import type { SettingType } from "./setting.ts";
import { LISTED, parseUserlist } from "./userlist.ts";
import { parseValue, PASSWORD_BYTES_MAX } from "./value.ts";
import { type IncludedText, YamlText } from "./yaml.ts";

/** What loading needs from outside. */
export interface LoadSources {
  /** The bytes of the file at `path`; throws (or rejects) when it cannot be read. */
  readonly readBytes: (path: string) => Uint8Array | Promise<Uint8Array>;
  /** An environment variable's value, undefined when it is not set. */
  readonly env: (name: string) => string | undefined;
  /** Why not all certificates of a PEM text can be read, or null when they can. */
  readonly certificatesProblem: (pem: string) => string | null;
  /** Why a certificate and a private key, both in PEM, cannot be used together, or null when they can. */
  readonly keyPairProblem: (certPem: string, keyPem: string) => string | null;
}

/**
 * Reads the file at `path` and every file and environment variable that it names: the configuration has all secrets,
 * certificates and users of users_file in it, so that nothing later reads files. Names of files are taken from the folder
 * of `path`. Returns all problems of the YAML and of what it names, as far as it can be read; never throws.
 *
 * This file touches no file itself and stays as pure as its folder: reading is handed in.
 */
export async function loadConfig(path: string, sources: LoadSources): Promise<ParsedConfig | RefusedConfig> {
  const read = await tryRead(path, sources, UTF8);
  if ("failure" in read) {
    const message = `Cannot use the configuration file as it must be readable: received ${read.failure}`;
    return { problems: [{ file: path, line: 0, column: 0, path: "", message }] };
  }
  const included: IncludedText[] = [];
  for (const name of YamlText.includesOf(read.text)) {
    const file = besideFile(path, name);
    const other = await tryRead(file, sources, UTF8);
    if ("failure" in other) {
      const message =
        `Cannot use ${file}, which is included, as it must be readable: received ${other.failure}`;
      return { problems: [{ file: path, line: 0, column: 0, path: "include", message }] };
    }
    included.push({ file, text: other.text });
  }
  const parsed = parseConfig(read.text, { file: path, included });
  if (!("problems" in parsed)) return await new Loader(path, parsed, sources).load();
  const { problems, rest } = parsed;
  if (rest === undefined) return { problems };
  const loaded = await new Loader(path, rest, sources, rest.isBroken).load();
  return { problems: inOrder("problems" in loaded ? [...problems, ...loaded.problems] : problems, path) };
}

type Source = SettingType & { kind: "file" | "env" };

class Loader {
  readonly #problems: Problem[] = [];
  readonly #path: string;
  readonly #parsed: ParsedConfig;
  readonly #sources: LoadSources;
  readonly #isBroken: (path: string) => boolean;
  #config: Config;

  constructor(
    path: string,
    parsed: ParsedConfig,
    sources: LoadSources,
    isBroken: (path: string) => boolean = () => false,
  ) {
    this.#path = path;
    this.#parsed = parsed;
    this.#sources = sources;
    this.#isBroken = isBroken;
    this.#config = parsed.config;
  }

  async load(): Promise<ParsedConfig | RefusedConfig> {
    for (const entry of settingEntries(this.#parsed.config)) {
      const { type } = entry.setting;
      if (this.#isBroken(entry.path)) continue;
      if ((type.kind === "file" || type.kind === "env") && typeof entry.value === "string") {
        await this.#resolve(entry, type, entry.value);
      }
    }
    if (this.#problems.length > 0) return { problems: inOrder(this.#problems, this.#path) };
    const { positions, warnings } = this.#parsed;
    return { config: this.#config, positions, warnings };
  }

  async #resolve(entry: SettingEntry, type: Source, name: string): Promise<void> {
    // What an environment variable or password file is called is not shown: some put the password itself there.
    if (type.kind === "env") {
      const text = this.#sources.env(name);
      if (text === undefined) {
        this.#report(entry, "name an environment variable that is set: received one that is not");
      } else this.#keepSecret(entry, type, text);
      return;
    }
    const file = besideFile(this.#path, name);
    // What people write beside certificates may be in any encoding.
    const isPem = type.holds === "certificate" || type.holds === "key";
    const read = await tryRead(file, this.#sources, isPem ? LENIENT_UTF8 : UTF8);
    if ("failure" in read) {
      const which = type.holds === "secret" ? "" : ` for ${file}`;
      this.#report(entry, `name a file that can be read: received ${read.failure}${which}`);
    } else if (type.holds === "secret") this.#keepSecret(entry, type, read.text.replace(/\r?\n$/, ""));
    else if (type.holds === "users") this.#addUsers(file, read.text);
    else if (type.holds === "hba" || type.holds === "ident") {
      this.#keepRules(entry, { ...type, holds: type.holds }, { file, text: read.text });
    } else if (!PEM[type.holds].test(read.text)) {
      this.#report(entry, `name a file that holds ${PEM_NAMES[type.holds]}: received ${file} without one`);
    } else {
      const problem = this.#pemProblem(entry, type.holds, read.text);
      if (problem !== null) {
        this.#report(entry, `name a file that can be used: received ${file}, but ${problem}`);
      } else this.#keep(entry, type, type.holds === "key" ? new Secret(read.text) : read.text);
    }
  }

  /** Why `pem` cannot be used; a key must fit the certificate beside it, which stands before it in the table. */
  #pemProblem(entry: SettingEntry, holds: "certificate" | "key", pem: string): string | null {
    if (holds === "certificate") return this.#sources.certificatesProblem(pem);
    const certPem = valueAt(this.#config, [...entry.segments.slice(0, -1), "cert_pem"]);
    // Without one, the problem is said at cert_file.
    return typeof certPem === "string" && certPem !== "" ? this.#sources.keyPairProblem(certPem, pem) : null;
  }

  #keepSecret(entry: SettingEntry, type: Source, text: string): void {
    const parsed = parseValue(SECRET, text);
    if ("expected" in parsed) {
      return this.#report(
        entry,
        `lead to 1 to ${PASSWORD_BYTES_MAX} bytes of text: received other than that (not shown)`,
      );
    }
    const auth = this.#parsed.config.auth.type;
    const secret = parsed.value as Secret;
    if (entry.segments[0] === "auth" && !this.#isBroken("auth.type") && !secretServes(auth, secret)) {
      return this.#report(entry, `${secretExpected(auth)}: received an md5 secret`);
    }
    this.#keep(entry, type, secret);
  }

  #keep(entry: SettingEntry, type: Source, contents: unknown): void {
    this.#config = withValue(this.#config, [...entry.segments.slice(0, -1), type.contents], contents);
  }

  #keepRules(
    entry: SettingEntry,
    type: Source & { holds: "hba" | "ident" },
    { file, text }: { file: string; text: string },
  ): void {
    const parsed = type.holds === "hba" ? parseHba(text) : parseIdent(text);
    if (!("problems" in parsed)) return this.#keep(entry, type, text);
    for (const { line, message } of parsed.problems) {
      this.#problems.push({
        file,
        line,
        column: 1,
        path: entry.path,
        message: `Cannot use the line as it ${message}`,
      });
    }
  }

  #addUsers(file: string, text: string): void {
    const list = parseUserlist(text);
    if ("problems" in list) {
      for (const problem of list.problems) this.#problems.push({ file, path: "auth.users_file", ...problem });
      return;
    }
    const own = valueAt(this.#config, ["auth", "users"]) as ReadonlyMap<string, UserConfig>;
    const listed = [...list.users].filter(([name]) => !own.has(name)).map(([name, password]) =>
      [name, { password, password_file: null, password_env: null, [LISTED]: true }] as const
    );
    this.#config = withValue(this.#config, ["auth", "users"], new Map([...own, ...listed]));
  }

  #report(entry: SettingEntry, must: string): void {
    const position = this.#parsed.positions.get(entry.path) ?? { line: 1, column: 1 };
    const message = `Cannot use ${entry.path} as it must ${must}`;
    this.#problems.push({ file: this.#path, ...position, path: entry.path, message });
  }
}

/** A byte order mark stays, for whoever parses the text. */
const UTF8: TextDecoderOptions = { fatal: true, ignoreBOM: true };
const LENIENT_UTF8: TextDecoderOptions = { ignoreBOM: true };

const SECRET: SettingType = { kind: "secret" };

/** RFC 7468; a key that needs a passphrase (`ENCRYPTED`) cannot be used, as nobody is there to type it. */
const PEM: Readonly<Record<"certificate" | "key", RegExp>> = {
  certificate: /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/,
  key: /-----BEGIN (?:RSA |EC )?PRIVATE KEY-----(?!\s*Proc-Type: 4,ENCRYPTED)/,
};

const PEM_NAMES = {
  certificate: "a PEM certificate",
  key: "a PEM private key that is not encrypted",
} as const;

async function tryRead(
  path: string,
  sources: LoadSources,
  encoding: TextDecoderOptions,
): Promise<{ text: string } | { failure: string }> {
  let bytes: Uint8Array;
  try {
    bytes = await sources.readBytes(path);
  } catch (error) {
    return { failure: failureOf(error) };
  }
  try {
    return { text: new TextDecoder("utf-8", encoding).decode(bytes) };
  } catch {
    return { failure: `bytes that are not UTF-8 in line ${lineOutsideUtf8(bytes)}` };
  }
}

/** The first line, from 1, that is not UTF-8. No other character has the byte of a line's end in it. */
function lineOutsideUtf8(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", UTF8);
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const end = bytes.indexOf(0x0a, start);
    const next = end < 0 ? bytes.length : end + 1;
    try {
      decoder.decode(bytes.subarray(start, next));
    } catch {
      return line;
    }
    start = next;
  }
  return line;
}

/** The kind of failure only: the runtime's message repeats the path, which may be a password in the wrong place. */
function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return "an error";
  const { name } = error;
  if (name === "NotFound" || ("code" in error && error.code === "ENOENT")) return "no such file";
  if (name === "PermissionDenied" || name === "NotCapable") return "no permission to read it";
  if (name === "IsADirectory") return "a folder";
  return `the error ${name}`;
}

/** `name` itself when it is absolute, else beside `file`. */
function besideFile(file: string, name: string): string {
  const slash = file.lastIndexOf("/");
  return name.startsWith("/") || slash < 0 ? name : file.slice(0, slash + 1) + name;
}
