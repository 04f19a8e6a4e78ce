import assert from "node:assert/strict";
import { frontend, rowsOf, WireClient, type WireMessage } from "./mod.ts";
import { Intruders, one, type Served } from "./served.ts";

/** A simple query; messages to which a Sync is added; or messages as they are. One ReadyForQuery answers each. */
export type StateStep = string | Uint8Array[] | Uint8Array;

/** What one session does, and what must be the same on a connection of its own and in transaction pooling. */
export interface StateScript {
  /** A sentence: the test's name. */
  readonly name: string;
  readonly steps: readonly StateStep[];
  /** Runs as the superuser beside pgplex before the script, each time. */
  readonly before?: string;
  readonly params?: Record<string, string>;
  readonly user?: string;
  /** It keeps its server connection, so that others need one more. */
  readonly pins?: boolean;
}

/** Everything that a session of somebody else sets; it has the names that scripts use, with values of its own. */
export const DISTURB = "SET search_path = intruder, pg_catalog; SET work_mem = '7MB'; " +
  "SET myapp.tenant = 'intruder'; SET TimeZone = 'Asia/Tokyo'; SET statement_timeout = '33s'; " +
  "SET default_transaction_isolation = 'serializable'; SET client_encoding = 'LATIN1'; " +
  "SET standard_conforming_strings = off; SET application_name = 'intruder'; SET extra_float_digits = -5; " +
  "SET ROLE intruder";

const INTRUDER_STATE = ["intruder", "intruder, pg_catalog", "7MB", "intruder", "Asia/Tokyo", "33s", "off"];

/** Another session that comes between: with a state of its own, which it finds again each time. */
class Visitor {
  readonly #client: WireClient;
  #prepared = false;

  constructor(client: WireClient) {
    this.#client = client;
  }

  async visit(): Promise<void> {
    if (!this.#prepared) {
      await one(this.#client, DISTURB);
      await one(this.#client, "PREPARE s AS SELECT 'the intruder has it'");
      this.#prepared = true;
    }
    const seen = rowsOf(
      await this.#client.query(
        "SELECT current_user, current_setting('search_path'), current_setting('work_mem'), " +
          "current_setting('myapp.tenant', true), current_setting('TimeZone'), " +
          "current_setting('statement_timeout'), current_setting('standard_conforming_strings')",
      ),
    );
    assert.deepEqual(seen, [INTRUDER_STATE], "the other session finds its own state");
    assert.equal(await one(this.#client, "EXECUTE s"), "the intruder has it");
  }
}

/** Everything of a message that two connections must say alike. Bytes that are no UTF-8 are shown as such. */
export function stateLine(message: WireMessage): string {
  const { name, body, fields, notification, parameter, tag, values, columns } = message;
  if (fields !== undefined) {
    return `${name} ${["S", "C", "M", "D", "H", "P"].map((code) => fields[code] ?? "").join("|")}`;
  }
  if (notification !== undefined) return `${name} ${notification.channel} ${notification.payload}`;
  if (parameter !== undefined) return `${name} ${parameter.name}=${parameter.value}`;
  if (tag !== undefined) return `${name} ${tag}`;
  if (columns !== undefined) return `${name} ${columns.join("|")}`;
  const shown = values?.map((value) => value === null ? "NULL" : value).join("|");
  if (shown !== undefined && !shown.includes("\ufffd")) return `${name} ${shown}`;
  return `${name} ${new TextDecoder("latin1").decode(body)}`;
}

/** Answers of one step; reported settings stand in no order that anybody may rely on. */
async function answer(client: WireClient, step: StateStep): Promise<string[]> {
  if (typeof step === "string") await client.send(frontend.query(step));
  else if (step instanceof Uint8Array) await client.send(step);
  else await client.send(...step, frontend.sync());
  const lines = (await client.readUntil("Z")).map(stateLine);
  const reported = lines.filter((line) => line.startsWith("ParameterStatus")).sort();
  return [...lines.filter((line) => !line.startsWith("ParameterStatus")), ...reported];
}

type Transcript = readonly (readonly [step: string, answers: readonly string[]])[];

/** The script's answers; `between` runs before each step that begins outside of a transaction. */
async function transcript(
  client: WireClient,
  steps: readonly StateStep[],
  between: () => Promise<void>,
): Promise<Transcript> {
  const lines: [string, string[]][] = [];
  for (const [index, step] of steps.entries()) {
    const shown = `${index}: ${typeof step === "string" ? step : "(messages)"}`;
    try {
      if (client.status === "I") await between();
      lines.push([shown, await answer(client, step)]);
    } catch (thrown) {
      throw new Error(`step ${shown}: ${(thrown as Error).message}`, { cause: thrown });
    }
  }
  return lines;
}

/**
 * Plays a script on a connection of its own, then through transaction pooling, with others on the same connection between
 * any two transactions, and on another connection in each transaction. `aliases` have pools of one and of two.
 */
export async function playState(
  served: Served,
  script: StateScript,
  aliases: { one: string; two: string } = { one: "one", two: "two" },
): Promise<void> {
  const { before, params = {}, user = "postgres", pins = false, steps } = script;
  if (before !== undefined) await served.node.sql(before);
  await using direct = await WireClient.connect(served.node, { user, database: "postgres", params });
  const expected = await transcript(direct, steps, async () => {});
  await direct.close();

  for (const alias of pins ? [aliases.two] : [aliases.one, aliases.two]) {
    if (before !== undefined) await served.node.sql(before);
    await using other = await served.client(alias, {}, user);
    await using intruders = !pins && alias === aliases.two
      ? await Intruders.start(served, alias, DISTURB, user)
      : null;
    const visitor = new Visitor(other);
    await using client = await served.client(alias, params, user);
    const played = await transcript(
      client,
      steps,
      intruders === null ? () => visitor.visit() : () => intruders.swap(),
    );
    for (const [index, [step, answers]] of played.entries()) {
      assert.deepEqual(answers, expected[index]![1], `${script.name}, pool ${alias}, step ${step}`);
    }
    await client.close();
  }
}

/** One test for each script. */
export function stateTests(served: Served, scripts: readonly StateScript[]): void {
  for (const script of scripts) Deno.test(script.name, () => playState(served, script));
}
