import assert from "node:assert/strict";
import { Crowd } from "./crowd.ts";
import { frontend, waitFor, WireClient, type WireMessage } from "./mod.ts";
import type { Served } from "./served.ts";
import { stateLine } from "./state_play.ts";

/** A simple query, messages as they are that one ReadyForQuery answers, or messages to which a Sync is added. */
type Sent = string | Uint8Array | Uint8Array[];

/** What the client does, or somebody else. */
export type ComparedStep =
  | Sent
  /** Messages as they are, which so many ReadyForQuery answer. */
  | { readonly pipeline: Uint8Array[]; readonly readies: number }
  /** Another client, which stays. Not for pools of one where the first client keeps the connection. */
  | { readonly b: Sent }
  /** The superuser, on a connection of his own to the server, which stays; what he hears is not compared. */
  | { readonly beside: string }
  /** A client that has set nothing, for each connection of the pool, within a transaction that is rolled back. */
  | { readonly everywhere: string }
  /** The first client leaves; what it had is gone when this query, of the superuser beside, answers true. */
  | { readonly leaves: string };

/** What is the same on connections of one's own and in transaction pooling, with others between the statements. */
export interface Compared {
  /** A sentence: the test's name. */
  readonly name: string;
  readonly steps: readonly ComparedStep[];
  /** SQLSTATEs of the errors that a connection of one's own answers, in order. */
  readonly errors?: readonly string[];
  /** Run by the superuser beside, before each time and behind it. */
  readonly before?: string;
  readonly after?: string;
  readonly params?: Record<string, string>;
  readonly user?: string;
  /** The first client may keep its server connection, so that others have one less: none in a pool of one. */
  readonly pins?: boolean;
  /** Nobody else comes between, as in a place where nobody else can be without a connection of his own. */
  readonly alone?: boolean;
  /** No answer may take longer than on a connection of one's own by more than this. */
  readonly withinMs?: number;
  /** Only pools of so many connections; both unless said. */
  readonly pools?: readonly PoolName[];
  /** The database that the alias leads to. */
  readonly database?: string;
}

/** What `steps` leave is the session's alone, as `look` shows to it, to others, and when it has left. */
export function leftAlone(what: string, steps: readonly ComparedStep[], look: string): Compared {
  return {
    name: `What is left is the session's alone: ${what}`,
    pins: true,
    steps: [
      ...steps,
      { everywhere: look },
      { b: look },
      look,
      { b: look },
      look,
      { leaves: "SELECT true" },
      { everywhere: look },
    ],
  };
}

/** An alias, and how many connections it has. */
export const POOL_SIZES = { one: 1, two: 2 } as const;
export type PoolName = keyof typeof POOL_SIZES;

/** One step's answer. */
interface Answer {
  readonly step: string;
  /** Null where nobody could ask, as there was no connection for it. */
  readonly lines: readonly string[] | null;
  readonly tookMs: number;
}

/** Who takes part, directly or through pgplex. */
interface Players {
  readonly a: WireClient;
  readonly b: WireClient;
  readonly beside: WireClient;
  /** Comes before each step that is sent outside of a transaction. */
  readonly others: Crowd | null;
  stranger(): Promise<WireClient>;
}

/** Times a slow machine spoils now and then: the best of so many counts. */
const TIMED_PLAYS = 3;

/** Plays a script directly and through one alias, and compares every answer. */
export async function compare(
  served: Served,
  script: Compared,
  pool: PoolName,
  alias: string = pool,
): Promise<void> {
  const plays = script.withinMs === undefined ? 1 : TIMED_PLAYS;
  const late = new Map<number, string[]>();
  for (let i = 0; i < plays; i++) {
    const expected = await playDirect(served, script, pool);
    const played = await playPooled(served, script, pool, alias);
    for (const [index, { step, lines, tookMs }] of played.answers.entries()) {
      const direct = expected[index]!;
      if (lines !== null) {
        assert.deepEqual(lines, direct.lines, `${script.name}: pool of ${pool}, step ${step}`);
      }
      if (tookMs > direct.tookMs + (script.withinMs ?? Infinity)) {
        const shown = `${step} took ${tookMs.toFixed(0)} ms, directly ${direct.tookMs.toFixed(0)} ms`;
        late.set(index, [...late.get(index) ?? [], shown]);
      }
    }
    if (played.othersMs > (script.withinMs ?? Infinity)) {
      late.set(-1, [...late.get(-1) ?? [], `somebody else's BEGIN took ${played.othersMs.toFixed(0)} ms`]);
    }
  }
  const always = [...late.values()].filter((times) => times.length === plays);
  assert.deepEqual(always, [], `${script.name}: pool of ${pool}`);
}

/** One test for each script and pool. */
export function comparedTests(
  served: Served,
  scripts: readonly Compared[],
  aliasOf: (pool: PoolName) => string = (pool) => pool,
): void {
  for (const script of scripts) {
    for (const pool of script.pools ?? ["one", "two"] as const) {
      Deno.test(`${script.name}, in a pool of ${pool}`, () => compare(served, script, pool, aliasOf(pool)));
    }
  }
}

async function playDirect(served: Served, script: Compared, pool: PoolName): Promise<readonly Answer[]> {
  const { user = "postgres", params = {}, database = "postgres" } = script;
  const connect = (params: Record<string, string> = {}) =>
    WireClient.connect(served.node, { user, database, params });
  await using beside = await served.direct();
  await using a = await connect(params);
  await using b = await connect();
  const answers = await play(script, pool, { a, b, beside, others: null, stranger: connect });
  const states = answers.flatMap(({ lines }) =>
    (lines ?? []).flatMap((line) => /^ErrorResponse [^|]*\|(.{5})/.exec(line)?.[1] ?? [])
  );
  const said = JSON.stringify(answers.map(({ step, lines }) => [step, ...lines ?? []]), null, 1);
  assert.deepEqual(
    states,
    script.errors ?? [],
    `${script.name}: the errors of one's own connection: ${said}`,
  );
  return answers;
}

async function playPooled(
  served: Served,
  script: Compared,
  pool: PoolName,
  alias: string,
): Promise<{ answers: readonly Answer[]; othersMs: number }> {
  const { user = "postgres", params = {}, pins = false } = script;
  await using beside = await served.direct();
  await using others = script.alone
    ? null
    : await Crowd.start(served, { alias, size: POOL_SIZES[pool], user, mayBeFull: pins });
  await using a = await served.client(alias, params, user);
  await using b = await served.client(alias, {}, user);
  const stranger = () => served.client(alias, {}, user);
  const answers = await play(script, pool, { a, b, beside, others, stranger });
  return { answers, othersMs: others?.slowestMs ?? 0 };
}

async function play(script: Compared, pool: PoolName, players: Players): Promise<readonly Answer[]> {
  const { a, b, beside, others } = players;
  if (script.before !== undefined) await beside.query(script.before);
  try {
    const answers: Answer[] = [];
    let gone = false;
    for (const [index, step] of script.steps.entries()) {
      const shown = `${index}: ${textOf(step)}`;
      const tell = async (client: WireClient, sent: Sent, readies = 1) => {
        if (a.status === "I" && b.status === "I") await others?.come();
        else await others?.go(); // two may need a connection each
        answers.push(await answer(client, sent, shown, readies));
      };
      const full = script.pins === true && pool === "one" && !gone;
      try {
        if (typeof step === "string" || step instanceof Uint8Array || Array.isArray(step)) {
          await tell(a, step);
        } else if ("pipeline" in step) await tell(a, frontend.concat(step.pipeline), step.readies);
        else if ("beside" in step) await beside.query(step.beside);
        else if ("leaves" in step) {
          await a.close();
          gone = true;
          await waitFor(
            async () => (await beside.query(step.leaves)).some(({ values }) => values?.[0] === "t"),
            {
              what: `what the client had to be gone: ${step.leaves}`,
              deadlineMs: 3000,
            },
          );
          others?.allAreFree();
        } else if ("everywhere" in step) answers.push(await everywhere(players, step.everywhere, shown));
        else if (!full) await tell(b, step.b);
      } catch (thrown) {
        throw new Error(`step ${shown}: ${(thrown as Error).message}`, { cause: thrown });
      }
    }
    return answers;
  } finally {
    await others?.go().catch(() => {});
    if (script.after !== undefined) await beside.query(script.after);
  }
}

/** What all answer alike; where one does not, all that they answer. */
async function everywhere(players: Players, sql: string, step: string): Promise<Answer> {
  const ask = async (client: WireClient) => (await answer(client, sql, step)).lines;
  if (players.others !== null) {
    const all = await players.others.everywhere(ask);
    const [first = null] = all;
    const alike = all.every((lines) => JSON.stringify(lines) === JSON.stringify(first));
    return { step, lines: alike ? first : all.flatMap((lines) => lines ?? []), tookMs: 0 };
  }
  await using stranger = await players.stranger();
  await stranger.query("BEGIN");
  const lines = await ask(stranger);
  await stranger.close();
  return { step, lines, tookMs: 0 };
}

async function answer(client: WireClient, sent: Sent, step: string, readies = 1): Promise<Answer> {
  const began = performance.now();
  if (typeof sent === "string") await client.send(frontend.query(sent));
  else if (sent instanceof Uint8Array) await client.send(sent);
  else await client.send(...sent, frontend.sync());
  const messages: WireMessage[] = [];
  for (let left = readies; left > 0; left--) messages.push(...await client.readUntil("Z"));
  const tookMs = performance.now() - began;
  return { step, lines: comparableLines(messages), tookMs };
}

/** Everything that two connections must say alike; reported settings stand in no order that anybody may rely on. */
export function comparableLines(messages: readonly WireMessage[]): string[] {
  const lines = messages.map((message) =>
    stateLine(message).replace(/\b(PID|OID:?) \d+/gi, "$1 n").replace(/pg_temp_\d+/g, "pg_temp_n")
  );
  const reported = lines.filter((line) => line.startsWith("ParameterStatus")).sort();
  return [...lines.filter((line) => !line.startsWith("ParameterStatus")), ...reported];
}

function textOf(step: ComparedStep): string {
  const text = typeof step === "string"
    ? step
    : step instanceof Uint8Array || Array.isArray(step)
    ? "(messages)"
    : "pipeline" in step
    ? "(pipeline)"
    : "b" in step && typeof step.b !== "string"
    ? "(b's messages)"
    : JSON.stringify(step);
  return text.length > 200 ? `${text.slice(0, 150)}… (${text.length} characters)` : text;
}
