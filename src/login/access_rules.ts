import type { ClientAuthType } from "../auth/mod.ts";
import {
  type AuthConfig,
  type HbaClient,
  type HbaRule,
  identAllows,
  type IdentLine,
  parseHba,
  parseIdent,
  ruleFor,
} from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";

/** How one client has to prove who it is. */
export interface Admission {
  /** `peer`: it is on a unix socket, and the system says as whom. */
  readonly type: ClientAuthType | "peer";
  /**
   * Whether a certificate, or a user of the system, of this name may be the client's user, where a map says so; null: it must be the
   * user's own name.
   */
  readonly mayBe: ((name: string) => boolean) | null;
}

/**
 * `auth.type`, and where that is `hba` the rules of `auth.hba_file`: who comes from where to which database proves what.
 * Made of the texts once, when the configuration comes into force.
 */
export class AccessRules {
  readonly #type: AuthConfig["type"];
  readonly #rules: readonly HbaRule[];
  readonly #ident: readonly IdentLine[];

  constructor({ type, hba_text, ident_text }: Pick<AuthConfig, "type" | "hba_text" | "ident_text">) {
    this.#type = type;
    this.#rules = readable(parseHba(hba_text ?? ""));
    this.#ident = readable(parseIdent(ident_text ?? ""));
  }

  /** @throws PgplexError `invalid_authorization` where no rule is for the client, or one rejects it */
  admissionOf(client: HbaClient): Admission {
    if (this.#type !== "hba") return { type: this.#type, mayBe: null };
    const rule = ruleFor(this.#rules, client);
    if (rule === null) {
      throw new PgplexError("invalid_authorization", `no hba_file entry for ${whoIs(client)}`);
    }
    const { method, map, line } = rule;
    if (method === "reject") {
      throw new PgplexError("invalid_authorization", `hba_file rejects connection for ${whoIs(client)}`, {
        log: `line ${line}`,
      });
    }
    if (map === null) return { type: method, mayBe: null };
    return { type: method, mayBe: (system) => identAllows(this.#ident, map, { system, user: client.user }) };
  }
}

/** Texts with problems were refused when they were loaded. */
function readable<T>(parsed: readonly T[] | { readonly problems: unknown }): readonly T[] {
  return "problems" in parsed ? [] : parsed;
}

/** As PostgreSQL names a client to itself. */
function whoIs({ address, user, database, tls, replication }: HbaClient): string {
  const what = replication ? "replication connection from " : "";
  const where = address === null ? "local connection" : `host "${address}"`;
  const encryption = tls ? "SSL encryption" : "no encryption";
  return `${what}${where}, user "${user}", database "${database}", ${encryption}`;
}
