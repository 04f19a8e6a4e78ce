import { errorOf, frontend, rowsOf, tagsOf, WireClient, type WireLogin, type WireMessage } from "./mod.ts";
import type { Seeded } from "./seeded.ts";

const { bind, close, copyData, copyDone, describe, execute, parse, query, sync } = frontend;

/** What all clients of one run share. */
export interface Chaos {
  readonly target: { readonly host: string; readonly port: number };
  readonly login: WireLogin;
  /** Kills a random server connection. */
  kill(): Promise<void>;
  /** Whether the load is to end. */
  over(): boolean;
  readonly counts: {
    transactions: number;
    cuts: number;
    kills: number;
    /** Clients that were sent away, and that went on. */
    lost: number;
    survived: number;
    logins: number;
  };
}

/** One transaction out of so many kills a server connection, and one out of so many cuts its own client. */
const KILL_EVERY = 100;
const CUT_EVERY = 25;

/** What a client whose server connection was lost may hear, and nothing else: an ERROR, behind which it goes on. */
class Lost extends Error {}

/** A reply that is not this client's, or not to this question. */
export class WrongReply extends Error {}

/**
 * A client that asks for numbers that nobody else asks for, in every form of the protocol, and checks each reply; now and
 * then it vanishes in the middle of something and comes again.
 */
export class ChaosClient {
  readonly #chaos: Chaos;
  readonly #random: Seeded;
  readonly #name: string;
  #wire: WireClient | null = null;
  #serial = 0;
  #prepared = false;
  /** What it was told last, or does now, for errors. */
  #doing = "";

  constructor(chaos: Chaos, random: Seeded, name: string) {
    this.#chaos = chaos;
    this.#random = random;
    this.#name = name;
  }

  /** Works until the chaos is over. */
  async run(): Promise<void> {
    const forms = [
      "simple",
      "extended",
      "prepared",
      "pipelined",
      "transaction",
      "copyIn",
      "copyOut",
    ] as const;
    const ways = ["message", "transaction", "pipeline", "copy", "answer", "login"] as const;
    try {
      while (!this.#chaos.over()) {
        if (this.#random.below(KILL_EVERY) === 0) await this.#chaos.kill();
        try {
          const client = this.#wire ??= await this.#login();
          if (this.#random.below(CUT_EVERY) === 0) {
            await this.#cut(client, this.#doing = this.#random.pick(ways));
            continue;
          }
          await this[this.#doing = this.#random.pick(forms)](client);
          this.#chaos.counts.transactions++;
        } catch (thrown) {
          if (thrown instanceof Lost) {
            await this.#goOn();
            continue;
          }
          if (!isClosing(thrown)) throw thrown;
          this.#chaos.counts.lost++;
          await this.#leave();
        }
      }
      await this.#wire?.close();
    } catch (thrown) {
      throw new Error(`${this.#name}, ${this.#doing}: ${(thrown as Error).message}`, { cause: thrown });
    } finally {
      await this.#leave();
    }
  }

  async simple(client: WireClient): Promise<void> {
    const mine = this.#next();
    this.#expect(await client.query(`SELECT '${mine}'`), [[mine]]);
  }

  async extended(client: WireClient): Promise<void> {
    const mine = this.#next();
    this.#expect(await client.extended("SELECT $1::text, length($1)", [mine]), [[mine, String(mine.length)]]);
  }

  async prepared(client: WireClient): Promise<void> {
    const mine = this.#next();
    if (!this.#prepared) {
      // It may be there already, where a loss left no answer.
      await client.send(close("S", "mine"), parse("SELECT $1::text AS mine", { name: "mine" }));
    }
    await client.send(bind({ statement: "mine", values: [mine] }), describe("P"), execute(), sync());
    this.#expect(await client.readUntil("Z"), [[mine]]);
    this.#prepared = true;
  }

  /** Several batches in flight; one in the middle may fail, and only that one. */
  async pipelined(client: WireClient): Promise<void> {
    const batches = Array.from({ length: this.#random.between(2, 12) }, () => ({
      mine: this.#next(),
      fails: this.#random.chance(0.1),
      named: this.#prepared && this.#random.chance(0.5),
    }));
    await client.send(
      ...batches.flatMap(({ mine, fails, named }) =>
        named && !fails ? [bind({ statement: "mine", values: [mine] }), execute(), sync()] : [
          parse(fails ? "SELECT 1 / (length($1::text) - length($1::text))" : "SELECT $1::text"),
          bind({
            values: [mine],
          }),
          execute(),
          sync(),
        ]
      ),
    );
    let lost: Lost | null = null;
    for (const { mine, fails } of batches) {
      const messages = await client.readUntil("Z");
      if (fails && errorOf(messages)?.["C"] === "22012") continue;
      try {
        this.#expect(messages, [[mine]]);
      } catch (thrown) {
        // Each batch has its own answer.
        if (!(thrown instanceof Lost)) throw thrown;
        lost = thrown;
      }
    }
    if (lost !== null) throw lost;
  }

  /** What SET LOCAL and a reported SET do, over several queries and leases. */
  async transaction(client: WireClient): Promise<void> {
    const mine = this.#next();
    if (this.#random.chance(0.3)) this.#expect(await client.query(`SET application_name = '${mine}'`), []);
    const named = client.parameters.get("application_name");
    this.#expect(await client.query(`BEGIN; SET LOCAL chaos.mine = '${mine}'`), []);
    this.#expect(await client.extended("INSERT INTO chaos VALUES ($1)", [mine]), []);
    const asked = "SELECT current_setting('chaos.mine'), current_setting('application_name')";
    this.#expect(await client.query(asked), [[mine, named ?? ""]]);
    const [end, left] = this.#random.pick([["COMMIT", "1"], ["ROLLBACK", "0"]] as const);
    this.#expect(await client.query(end), []);
    this.#expect(await client.query(`SELECT count(*) FROM chaos WHERE mine = '${mine}'`), [[left]]);
  }

  async copyIn(client: WireClient): Promise<void> {
    const mine = this.#next();
    await client.send(query("COPY chaos FROM STDIN"));
    const begun = await client.readUntil("GZ");
    this.#throwIfLost(begun);
    if (begun.at(-1)!.type === "Z") throw new WrongReply(`no COPY: ${describeReply(begun)}`);
    await client.send(copyData(`${mine}\n`), copyData(`${mine}\n`), copyDone());
    const messages = await this.#replies(client);
    if (tagsOf(messages)[0] !== "COPY 2") throw new WrongReply(`COPY 2 expected: ${describeReply(messages)}`);
    this.#expect(await client.query(`SELECT count(*) FROM chaos WHERE mine = '${mine}'`), [["2"]]);
  }

  async copyOut(client: WireClient): Promise<void> {
    const mine = this.#next();
    await client.send(query(`COPY (SELECT '${mine}' FROM generate_series(1, 500)) TO STDOUT`));
    const messages = await this.#replies(client);
    const rows = messages.filter((message) => message.type === "d");
    const right = rows.every((row) => new TextDecoder().decode(row.body) === `${mine}\n`);
    if (rows.length !== 500 || !right) throw new WrongReply(`500 rows expected: ${describeReply(messages)}`);
  }

  /** Vanishes by RST or FIN. */
  async #cut(client: WireClient, way: "message" | "transaction" | "pipeline" | "copy" | "answer" | "login") {
    const mine = this.#next();
    const insert = query(`INSERT INTO chaos VALUES ('${mine} that must not be, ${way}')`);
    switch (way) {
      case "message":
        await client.send(insert.slice(0, this.#random.between(1, insert.length)));
        break;
      case "transaction":
        await client.send(query("BEGIN"), insert);
        if (this.#random.chance(0.5)) await client.readUntil("Z");
        break;
      case "pipeline": {
        const one = [
          parse("SELECT $1::text FROM generate_series(1, 100)"),
          bind({ values: [mine] }),
          execute(),
        ];
        await client.send(...one, sync(), ...one, sync(), ...one);
        break;
      }
      case "copy":
        await client.send(query("COPY chaos FROM STDIN"));
        if (this.#random.chance(0.7)) await client.readUntil("GZ");
        await client.send(copyData(`${mine} that must not be, ${way}\n`));
        break;
      case "answer":
        await client.send(query(`SELECT '${mine}' FROM generate_series(1, 200000)`));
        if (this.#random.chance(0.5)) await client.readUntil("DE");
        break;
      case "login": {
        await this.#leave();
        await using fresh = await WireClient.open(this.#chaos.target);
        const { user, database } = this.#chaos.login;
        const packet = frontend.startup({ user, database: database! });
        await fresh.send(packet.slice(0, this.#random.between(1, packet.length + 1)));
        if (this.#random.chance(0.5)) fresh.socket.reset();
        else fresh.socket.end();
        break;
      }
    }
    if (this.#random.chance(0.5)) client.socket.reset();
    await this.#leave();
    this.#chaos.counts.cuts++;
  }

  async #login(): Promise<WireClient> {
    const client = await WireClient.open(this.#chaos.target);
    this.#prepared = false;
    this.#wire = client;
    const params = { application_name: this.#name };
    await client.login({ ...this.#chaos.login, params }).catch((thrown) => {
      const isLost = thrown.name !== "WireError" || ["57P01", "08006"].includes(thrown.fields["C"]);
      throw isLost ? thrown : new WrongReply(thrown.message);
    });
    this.#chaos.counts.logins++;
    return client;
  }

  /** The server connection was lost, and the client stays: it ends its transaction, if it is in one. */
  async #goOn(): Promise<void> {
    const client = this.#wire!;
    this.#chaos.counts.survived++;
    if (client.status === "T") throw new WrongReply("a transaction goes on whose server was lost");
    if (client.status === "E") this.#expect(await client.query("ROLLBACK"), []);
    if (client.status !== "I") throw new WrongReply(`status ${client.status} behind ROLLBACK`);
  }

  async #leave(): Promise<void> {
    const client = this.#wire;
    this.#wire = null;
    await client?.[Symbol.asyncDispose]();
  }

  async #replies(client: WireClient): Promise<WireMessage[]> {
    const messages = await client.readUntil("Z");
    this.#throwIfLost(messages);
    return messages;
  }

  #throwIfLost(messages: WireMessage[]): void {
    const error = errorOf(messages);
    if (error !== null && isLoss(error)) throw new Lost(error["M"]);
  }

  #expect(messages: WireMessage[], rows: (string | null)[][]): void {
    this.#throwIfLost(messages);
    const got = rowsOf(messages);
    if (errorOf(messages) === null && JSON.stringify(got) === JSON.stringify(rows)) return;
    throw new WrongReply(`${JSON.stringify(rows)} expected: ${describeReply(messages)}`);
  }

  #next(): string {
    return `${this.#name} number ${++this.#serial}`;
  }
}

/** What pgplex says to a client that stays: what was in flight, and what was lost before anybody had read it. */
function isLoss(fields: Record<string, string>): boolean {
  const { S: severity, C: sqlstate, M: message = "" } = fields;
  if (severity !== "ERROR") return false;
  if (message.startsWith("the state of the session was lost")) {
    return sqlstate === "57P01" || sqlstate === "08006";
  }
  return ["40001", "40003", "08007"].includes(sqlstate!) &&
    message.includes("the server connection was lost");
}

/** What WireClient throws when the connection is over. Deadlines and malformed messages are not among it. */
function isClosing(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  return thrown.name === "WireError" || "code" in thrown ||
    /^The (server|peer) closed the connection|^The peer closed/.test(thrown.message);
}

function describeReply(messages: WireMessage[]): string {
  return JSON.stringify(
    messages.slice(0, 20).map((message) =>
      message.fields
        ? `${message.fields["S"]} ${message.fields["C"]} ${message.fields["M"]}`
        : message.values ?? message.tag ?? message.type
    ),
  );
}
