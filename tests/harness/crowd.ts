import assert from "node:assert/strict";
import { errorOf, frontend, rowsOf, type WireClient } from "./mod.ts";
import { one, type Served } from "./served.ts";

/** What a {@link Crowd} needs in the server. */
export const CROWD_SETUP = "CREATE ROLE crowd; CREATE SCHEMA crowd; ";

/** `set_it(name, value)` sets what it is handed: a function of the database's own that does what set_config does. */
export const SET_IT_SETUP = `
  CREATE FUNCTION set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RETURN set_config(name, value, false); END $$;
`;

/** What each of them has set for itself: the names are those that scripts use, the values are their own. */
const DISTURB = (name: string, encoding: string) =>
  `SET my.member = '${name}'; SET my.v = 'of ${name}'; SET t.tenant = 'of ${name}'; SET work_mem = '7MB'; ` +
  `SET search_path = crowd; SET client_encoding = '${encoding}'; SET ROLE crowd`;

/** How long one of them may wait for a connection, where there is one for each of them. */
const HANGS_MS = 3000;
/** Where a pinned session may keep one, the last who has waited for so long gets none. */
const FULL_MS = 60;

/** One of the others. */
interface Member {
  readonly name: string;
  readonly client: WireClient;
  /** The backend that it holds in a transaction. */
  pid: string | null;
}

/**
 * All the others: each time they {@link come}, they take every server connection that can be had at the same time, find
 * there what is their own and nothing else, and leave but one of them, so that whoever leases next gets a connection that
 * it did not have before, if there are several.
 */
export class Crowd implements AsyncDisposable {
  readonly #served: Served;
  readonly #alias: string;
  readonly #user: string;
  readonly #size: number;
  /** One connection may be kept by somebody who is pinned. */
  #mayBeFull: boolean;
  #members: Member[] = [];
  #number = 0;
  #freedLast: string | null = null;
  /** The longest that one of them had to wait for the answer to BEGIN. */
  slowestMs = 0;

  private constructor(
    served: Served,
    options: { alias: string; size: number; user: string; mayBeFull: boolean },
  ) {
    this.#served = served;
    this.#alias = options.alias;
    this.#size = options.size;
    this.#user = options.user;
    this.#mayBeFull = options.mayBeFull;
  }

  /** Lets them in, and has each use each connection, so that what a backend looks up but once is known to it. */
  static async start(
    served: Served,
    { alias, size, user = "postgres", mayBeFull = false }: {
      alias: string;
      size: number;
      user?: string;
      mayBeFull?: boolean;
    },
  ): Promise<Crowd> {
    const crowd = new Crowd(served, { alias, size, user, mayBeFull });
    for (let round = 0; round < 3; round++) await crowd.come();
    crowd.slowestMs = 0;
    return crowd;
  }

  /** They take all connections, and leave one that was not the last to be free. */
  async come(): Promise<void> {
    await this.#leave(this.#members);
    await this.#enter();
    const holders = this.#members.filter(({ pid }) => pid !== null);
    if (!this.#mayBeFull) assert.equal(holders.length, this.#size, "each of the others has a connection");
    else assert.ok(holders.length >= this.#size - 1, "the others have all connections but one");
    const freed = holders.find(({ pid }) => pid !== this.#freedLast) ?? holders[0];
    if (freed === undefined) return;
    this.#freedLast = freed.pid;
    await this.#leave([freed]);
  }

  /** What `sql` answers on every connection that can be had, asked by others who have set nothing at all. */
  async everywhere<T>(ask: (client: WireClient) => Promise<T>): Promise<T[]> {
    await this.#leave(this.#members);
    const strangers: WireClient[] = [];
    try {
      for (let i = 0; i < this.#size; i++) {
        strangers.push(await this.#served.client(this.#alias, {}, this.#user));
      }
      const entered = await this.#beginAll(strangers);
      const answers: T[] = [];
      for (const [i, stranger] of strangers.entries()) if (entered[i]) answers.push(await ask(stranger));
      for (const [i, stranger] of strangers.entries()) if (entered[i]) await one(stranger, "ROLLBACK");
      return answers;
    } finally {
      for (const stranger of strangers) await stranger.close();
    }
  }

  /** Who kept a connection is gone: from now on there is one for each of them. */
  allAreFree(): void {
    this.#mayBeFull = false;
  }

  /** None of them holds a connection any more. */
  async go(): Promise<void> {
    await this.#leave(this.#members);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#members) await client.close();
  }

  async #enter(): Promise<void> {
    for (let i = this.#members.length; i < this.#size; i++) {
      const newcomer = await this.#newcomer();
      if (newcomer !== null) this.#members.push(newcomer);
    }
    const entered = await this.#beginAll(this.#members.map(({ client }) => client));
    for (const [i, member] of this.#members.entries()) {
      if (!entered[i]) {
        await member.client[Symbol.asyncDispose]();
        continue;
      }
      assert.equal(await one(member.client, "SHOW my.member"), member.name, "each has its own setting");
      assert.equal(await one(member.client, "SELECT current_user"), "crowd", "each has its own role");
      member.pid = await one(member.client, "SELECT pg_backend_pid()");
    }
    this.#members = this.#members.filter((_, i) => entered[i]);
  }

  /** One more, unless there is no connection for it. */
  async #newcomer(): Promise<Member | null> {
    const name = `member ${++this.#number}`;
    const client = await this.#served.client(this.#alias, {}, this.#user);
    const disturb = DISTURB(name, this.#number % 2 === 0 ? "LATIN1" : "UTF8");
    if (await this.#says(client, disturb, this.#mayBeFull && this.#size === 1)) {
      return { name, client, pid: null };
    }
    await client[Symbol.asyncDispose]();
    return null;
  }

  /** Returns who of them has a connection: all but the last have. */
  async #beginAll(clients: readonly WireClient[]): Promise<boolean[]> {
    const entered: boolean[] = [];
    for (const client of clients) {
      const began = performance.now();
      const last = entered.length === this.#size - 1;
      entered.push(await this.#says(client, "BEGIN", this.#mayBeFull && last));
      if (entered.at(-1)) this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
    }
    return entered;
  }

  /** Returns whether there was a connection for it. */
  async #says(client: WireClient, sql: string, mayBeRefused: boolean): Promise<boolean> {
    await client.send(frontend.query(sql));
    if (!await client.socket.anythingWithin(mayBeRefused ? FULL_MS : HANGS_MS)) {
      if (mayBeRefused) return false;
      throw new Error(`one of the others hangs: no answer to ${sql} for ${HANGS_MS} ms`);
    }
    const error = errorOf(await client.readUntil("Z"));
    if (error !== null) throw new Error(`one of the others hears ${error["C"]}: ${error["M"]}`);
    return true;
  }

  async #leave(members: readonly Member[]): Promise<void> {
    for (const member of members) {
      if (member.pid === null) continue;
      member.pid = null;
      await one(member.client, "ROLLBACK");
    }
  }
}

/** The first value of what `sql` answers, or the SQLSTATE of its error. */
export async function valueOrState(client: WireClient, sql: string): Promise<string | null> {
  const messages = await client.query(sql);
  return errorOf(messages)?.["C"] ?? rowsOf(messages)[0]?.[0] ?? null;
}
