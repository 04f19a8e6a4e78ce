/** Parameters of a libpq connection string, in its order. */
export type Conninfo = ReadonlyMap<string, string>;

/**
 * The parameters of `text` in the form `name = value`; null where it is a URI or malformed. As libpq reads it: a value may be quoted,
 * and a backslash makes the next character an ordinary one, in quotes and outside.
 *
 * Source: conninfo_parse in PostgreSQL's fe-connect.c.
 */
export function parseConninfo(text: string): Conninfo | null {
  const found = new Map<string, string>();
  const pair =
    /\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:'((?:[^'\\]|\\[\s\S])*)'|((?:[^\s\\']|\\[\s\S])(?:[^\s\\]|\\[\s\S])*|))(?=\s|$)/y;
  while (pair.lastIndex < text.length) {
    if (text.slice(pair.lastIndex).trim() === "") break;
    const match = pair.exec(text);
    if (match === null) return null;
    found.set(match[1]!, (match[2] ?? match[3] ?? "").replaceAll(/\\([\s\S])/g, "$1"));
  }
  return found;
}

/** A connection string that libpq reads as `parameters`; those that are empty are left out, as libpq takes them for not given. */
export function formatConninfo(parameters: Conninfo): string {
  return [...parameters].filter(([, value]) => value !== "")
    .map(([name, value]) => `${name}=${/^[A-Za-z0-9_.:/-]+$/.test(value) ? value : quoted(value)}`)
    .join(" ");
}

// Two quotes would end the value and begin another one: only a backslash keeps a quote in it.
function quoted(value: string): string {
  return `'${value.replaceAll(/['\\]/g, "\\$&")}'`;
}

/** Where a standby receives from. */
export interface Upstream {
  /** The node's name in the configuration. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/**
 * The parameters of the `primary_conninfo` by which a standby called `standby` receives from `upstream`: what it has now (`before`: user, password,
 * certificates, whatever its operator gave it) with another address. What it lacks is taken from `own`, pgplex's way to the nodes.
 */
export function upstreamConninfo(
  upstream: Upstream,
  { before, own, standby }: {
    readonly before: Conninfo | null;
    readonly own: Conninfo;
    readonly standby: string;
  },
): Conninfo {
  // Who logs in as somebody else does so by that one's means alone.
  const kept = before !== null && before.has("user") ? before : own;
  const next = new Map<string, string>([["host", upstream.host], ["port", String(upstream.port)]]);
  for (const [name, value] of withoutAddress(kept)) next.set(name, value);
  const password = own.get("password") ?? "";
  if (password !== "" && next.get("user") === own.get("user")) {
    // It may have changed since.
    next.delete("passfile");
    next.set("password", password);
  }
  const called = before?.get("application_name") ?? "";
  next.set("application_name", called === "" ? standby : called);
  return next;
}

/** How somebody logs in, wherever that is. */
export function withoutAddress(parameters: Conninfo): Conninfo {
  return new Map([...parameters].filter(([name]) => !ADDRESS.has(name)));
}

/** Parameters that name another server than the one that is meant. */
const ADDRESS: ReadonlySet<string> = new Set(["host", "hostaddr", "port", "target_session_attrs", "dbname"]);

/** A line of a password file, for everything that `user` logs in to. Source: passwordFromFile in fe-connect.c. */
export function passfileLine(user: string, password: string): string {
  const [name, secret] = [user, password].map((text) => text.replaceAll(/[\\:]/g, "\\$&"));
  return `*:*:*:${name}:${secret}\n`;
}
