/** How a rule lets a client in. */
export type HbaMethod = "trust" | "reject" | "md5" | "plain" | "scram-sha-256" | "cert" | "peer";

/** One line of the file: which clients it is for, and how they prove who they are. */
export interface HbaRule {
  readonly line: number;
  readonly connection: "local" | "host" | "hostssl" | "hostnossl";
  readonly databases: readonly HbaName[];
  readonly users: readonly HbaName[];
  /** null: every address. */
  readonly address: Network | null;
  readonly method: HbaMethod;
  /** The map of the ident file: which users a certificate's name or a user of the system may be; null: the user of that name alone. */
  readonly map: string | null;
}

/** A name, or a word that stands for some. */
export interface HbaName {
  readonly text: string;
  /** In quotes a word is a name. */
  readonly quoted: boolean;
}

/** Addresses whose first `bits` bits are those of `bytes`. */
export interface Network {
  readonly bytes: readonly number[];
  readonly bits: number;
}

/** One line of the ident file: a certificate's name or a user of the system, and a user that it may be. */
export interface IdentLine {
  readonly map: string;
  readonly system: string;
  /** `all` is every user. */
  readonly user: string;
}

/** A line that cannot be used, from 1. */
export interface HbaProblem {
  readonly line: number;
  readonly message: string;
}

/** Who asks to be let in. */
export interface HbaClient {
  readonly database: string;
  readonly user: string;
  /** An IP address; null on a unix socket. */
  readonly address: string | null;
  readonly tls: boolean;
  /** Whether it asks for physical replication, which only the word `replication` is for. */
  readonly replication: boolean;
}

const METHODS: ReadonlyMap<string, HbaMethod> = new Map([
  ["trust", "trust"],
  ["reject", "reject"],
  ["md5", "md5"],
  ["password", "plain"],
  ["plain", "plain"],
  ["scram-sha-256", "scram-sha-256"],
  ["cert", "cert"],
  ["peer", "peer"],
]);

/**
 * Reads rules in the format of PostgreSQL's pg_hba.conf, as far as PgBouncer takes it: types local, host, hostssl and hostnossl;
 * databases `all`, `sameuser`, `replication` and names; users `all` and names; addresses `all`, IPv4 and IPv6 with a prefix or a mask.
 */
export function parseHba(text: string): readonly HbaRule[] | { readonly problems: readonly HbaProblem[] } {
  return parseLines(text, ruleOf);
}

/** Reads lines `MAP CERTIFICATE-NAME USER`. */
export function parseIdent(
  text: string,
): readonly IdentLine[] | { readonly problems: readonly HbaProblem[] } {
  return parseLines(text, (_, words) => {
    const [map, system, user, more] = words.flat();
    if (user === undefined || more !== undefined) return "must have a map, a certificate's name and a user";
    if (system!.text.startsWith("/") && !system!.quoted) {
      return "has a regular expression, which is not supported";
    }
    return { map: map!.text, system: system!.text, user: user.text };
  });
}

/** The first rule that is for this client; null: none is. */
export function ruleFor(rules: readonly HbaRule[], client: HbaClient): HbaRule | null {
  return rules.find((rule) => isFor(rule, client)) ?? null;
}

/** Whether a map lets a certificate's name be this user. */
export function identAllows(
  lines: readonly IdentLine[],
  map: string,
  { system, user }: { system: string; user: string },
): boolean {
  return lines.some((line) =>
    line.map === map && line.system === system && (line.user === "all" || line.user === user)
  );
}

function isFor({ connection, databases, users, address }: HbaRule, client: HbaClient): boolean {
  if ((connection === "local") !== (client.address === null)) return false;
  if (connection === "hostssl" && !client.tls) return false;
  if (connection === "hostnossl" && client.tls) return false;
  if (!databases.some((name) => isDatabase(name, client))) return false;
  if (!users.some(({ text, quoted }) => (text === "all" && !quoted) || text === client.user)) return false;
  if (address === null || client.address === null) return true;
  const bytes = addressBytes(client.address);
  return bytes !== null && contains(address, bytes);
}

function isDatabase({ text, quoted }: HbaName, { database, user, replication }: HbaClient): boolean {
  if (!quoted && text === "replication") return replication;
  if (replication) return false;
  if (!quoted && text === "all") return true;
  return !quoted && text === "sameuser" ? database === user : text === database;
}

function contains({ bytes, bits }: Network, of: readonly number[]): boolean {
  if (bytes.length !== of.length) return false;
  for (let at = 0; at * 8 < bits; at++) {
    const left = Math.min(8, bits - at * 8);
    const mask = (0xff00 >> left) & 0xff;
    if ((bytes[at]! & mask) !== (of[at]! & mask)) return false;
  }
  return true;
}

/** Words of one line; names with commas between them are one word of several. */
type Words = readonly (readonly HbaName[])[];

function parseLines<T>(
  text: string,
  parse: (line: number, words: Words) => T | string,
): readonly T[] | { readonly problems: readonly HbaProblem[] } {
  const read: T[] = [];
  const problems: HbaProblem[] = [];
  for (const [index, raw] of text.replace(/^\uFEFF/, "").split("\n").entries()) {
    const words = wordsOf(raw);
    if (words !== null && words.length === 0) continue;
    const parsed = words === null ? "has a quote without its end" : parse(index + 1, words);
    if (typeof parsed === "string") problems.push({ line: index + 1, message: parsed });
    else read.push(parsed);
  }
  return problems.length > 0 ? { problems } : read;
}

function wordsOf(line: string): Words | null {
  const words: HbaName[][] = [];
  const token = /\s*(?:#.*$|(,)|"((?:[^"]|"")*)"|([^\s,"#]+))/y;
  let joins = false;
  for (let at = 0; line.slice(at).trim() !== "";) {
    token.lastIndex = at;
    const found = token.exec(line);
    if (found === null) return null;
    at = token.lastIndex;
    const [, comma, quoted, bare] = found;
    if (comma !== undefined) joins = true;
    else if (quoted !== undefined || bare !== undefined) {
      const name = quoted === undefined
        ? { text: bare!, quoted: false }
        : { text: quoted.replaceAll('""', '"'), quoted: true };
      if (joins && words.length > 0) words.at(-1)!.push(name);
      else words.push([name]);
      joins = false;
    }
  }
  return words;
}

function ruleOf(line: number, words: Words): HbaRule | string {
  const [type, databases, users, ...rest] = words;
  const connection = type?.[0]?.text;
  if (
    connection !== "local" && connection !== "host" && connection !== "hostssl" && connection !== "hostnossl"
  ) {
    return "must begin with local, host, hostssl or hostnossl";
  }
  if (users === undefined) return "must have databases, users and a method";
  const unsupported = unsupportedName(databases!, ["samerole", "samegroup"]) ?? unsupportedName(users, []);
  if (unsupported !== null) return unsupported;
  let address: Network | null = null;
  if (connection !== "local") {
    const found = addressOf(rest);
    if (typeof found === "string") return found;
    address = found.network;
    rest.splice(0, found.words);
  }
  const [method, ...options] = rest;
  const known = method === undefined ? undefined : METHODS.get(method[0]?.text ?? "");
  if (known === undefined) return `must have one of the methods ${[...METHODS.keys()].join(", ")}`;
  if (known === "peer" && connection !== "local") return "must be local: peer is for unix sockets";
  const mapped = options.map((option) => option[0]?.text ?? "").find((option) => option.startsWith("map="));
  const map = mapped?.slice("map=".length) ?? null;
  return { line, connection, databases: databases!, users, address, method: known, map };
}

function unsupportedName(names: readonly HbaName[], words: readonly string[]): string | null {
  const found = names.find(({ text, quoted }) => !quoted && (words.includes(text) || /^[+@/]/.test(text)));
  return found === undefined
    ? null
    : `has ${found.text}, which is not supported: name databases and users one by one`;
}

function addressOf(words: Words): { network: Network | null; words: number } | string {
  const [first, second] = words.map((word) => word[0]?.text);
  if (first === undefined) return "must have an address";
  if (first === "all") return { network: null, words: 1 };
  const [host, prefix] = first.split("/");
  const bytes = addressBytes(host!);
  if (bytes === null) {
    return "must have an IP address with its prefix, or all: names of hosts are not looked up";
  }
  const most = bytes.length * 8;
  if (prefix !== undefined) {
    const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN;
    return bits <= most
      ? { network: { bytes, bits }, words: 1 }
      : `must have a prefix of at most ${most} bits`;
  }
  const mask = second === undefined ? null : addressBytes(second);
  if (mask === null || mask.length !== bytes.length) return "must have a prefix or a mask behind its address";
  const binary = mask.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  if (!/^1*0*$/.test(binary)) return "must have a mask of ones followed by zeros";
  return { network: { bytes, bits: binary.replaceAll("0", "").length }, words: 2 };
}

/** The bytes of an IPv4 or IPv6 address; those of an IPv4 address also where it is written as IPv6. Null for anything else. */
export function addressBytes(text: string): number[] | null {
  const v4 = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/i.exec(text);
  if (v4 !== null) {
    const bytes = v4.slice(1).map(Number);
    return bytes.every((byte) => byte <= 255) ? bytes : null;
  }
  const [address] = text.split("%");
  const halves = address!.split("::");
  if (halves.length > 2 || !address!.includes(":")) return null;
  const groups = (half: string) => half === "" ? [] : half.split(":");
  const [head, tail] = [groups(halves[0]!), groups(halves[1] ?? "")];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const all = [...head, ...Array<string>(halves.length === 2 ? missing : 0).fill("0"), ...tail];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}
