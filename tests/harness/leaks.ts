import assert from "node:assert/strict";
import { POOL_SIZES, type PoolName } from "./compared.ts";
import { Crowd, valueOrState } from "./crowd.ts";
import { errorOf, frontend } from "./mod.ts";
import type { Served } from "./served.ts";

/** What the one client does. */
export type LeakStep =
  | string
  /** Messages, to which a Sync is added. */
  | Uint8Array[]
  /** Another client, which is there all the time. */
  | { readonly b: string }
  /** The superuser beside. */
  | { readonly beside: string };

/** Something that one client sets, and nobody else may ever see. */
export interface Leak {
  /** A sentence: the test's name. */
  readonly name: string;
  /** A name of the script's own is made of `unique`, which pgplex has not heard before. */
  readonly play: (unique: string) => {
    readonly steps: readonly LeakStep[];
    /** Shows the client what it has set. */
    readonly own: string;
    /** Shows the same to anybody; `own` unless said. Names must not stand there, or pgplex would know them from then on. */
    readonly look?: string;
    /** Makes `own` possible, and what takes that back. */
    readonly ownBefore?: string;
  };
  /** Whether the one who set it is sure to find it again; what pgplex cannot know may be lost. */
  readonly keeps: boolean;
}

/** What stands in all that is set. */
export const SECRET = "A-secret";

/** Shows a setting of these two names without naming it. */
export const lookFor = (space: string, name: string): string =>
  `SELECT current_setting(concat('${space}', '.', '${name}'), true)`;

let count = 0;

/** Plays it on connections of one's own, where it must work, or through a pool, where nobody else may see anything. */
async function play(served: Served, leak: Leak, pool: PoolName | "direct"): Promise<void> {
  const { steps, own, look = own, ownBefore } = leak.play(`u${++count}`);
  const connect = () => pool === "direct" ? served.direct() : served.client(pool);
  await using beside = await served.direct();
  await using a = await connect();
  await using b = await connect();
  await using others = pool === "direct"
    ? null
    : await Crowd.start(served, { alias: pool, size: POOL_SIZES[pool] });
  const expected = await valueOrState(b, look); // what it is to who has set nothing
  const nobodySees = async (when: string) => {
    const seen = others === null
      ? [await valueOrState(b, look)]
      : await others.everywhere((stranger) => valueOrState(stranger, look));
    for (const value of seen) {
      assert.ok((value || null) === (expected || null), `${when} somebody else sees ${shown(value)}`);
    }
  };
  for (const step of steps) {
    if (typeof step === "object" && "beside" in step) {
      const error = errorOf(await beside.query(step.beside));
      assert.equal(error, null, JSON.stringify(error));
      continue;
    }
    if (a.status === "I") await others?.come();
    if (typeof step === "string") await a.query(step);
    else if ("b" in step) await b.query(step.b);
    else {
      await a.send(...step, frontend.sync());
      await a.readUntil("Z");
    }
    if (a.status === "I") {
      await nobodySees(`behind ${shown(Array.isArray(step) ? "(messages)" : JSON.stringify(step))}`);
    }
  }
  await others?.come();
  if (ownBefore !== undefined) {
    await a.query(ownBefore);
    await others?.come();
  }
  const kept = await valueOrState(a, own);
  if (pool === "direct" || leak.keeps) {
    assert.ok(kept?.includes(SECRET), `the client itself sees ${shown(kept)}`);
  } else assert.ok(!kept || kept.includes(SECRET), `the client itself sees ${shown(kept)}`);
  await nobodySees("behind all that");
  await others?.go();
  await a.close();
  await nobodySees("behind the client's end");
}

const shown = (text: string | null) => text !== null && text.length > 200 ? `${text.slice(0, 200)}…` : text;

/** Three tests for each: one says that the script does what it should on one's own connection. */
export function leakTests(served: Served, leaks: readonly Leak[]): void {
  for (const leak of leaks) {
    for (const pool of ["direct", "one", "two"] as const) {
      const where = pool === "direct" ? "directly" : `in a pool of ${pool}`;
      Deno.test(`${leak.name}, ${where}`, () => play(served, leak, pool));
    }
  }
}
