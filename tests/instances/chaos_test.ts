import assert from "node:assert/strict";
import { Network } from "../harness/netns.ts";
import { Seeded } from "../harness/seeded.ts";
import { BIN, Chaos, type Round, WRITES_WITHIN_MS } from "./chaos.ts";
import { ACTORS, drawFaults, type Fault } from "./faults.ts";

/** Continuous integration is to judge the change alone: it plays the same each time. */
const drawn = Deno.env.get("CI") === undefined ? crypto.getRandomValues(new Uint32Array(1))[0]! : 51;
const seed = Number(Deno.env.get("PGPLEX_CHAOS_SEED") ?? drawn);
const seconds = Number(Deno.env.get("PGPLEX_CHAOS_SECONDS") ?? "45");
/** Where all logs go when a round fails. */
const folder = Deno.env.get("PGPLEX_CHAOS_LOGS");

const missing = await Deno.stat(`${BIN}/pg_rewind`).then(
  () => Network.missing(),
  () => `${BIN}/pg_rewind is missing`,
);
if (missing !== "") console.warn(`SKIPPED: chaos with several instances: ${missing}`);

function withChaos(name: string, play: (chaos: Chaos) => Promise<void>): void {
  Deno.test({
    name: missing === "" ? name : `${name} (skipped: ${missing})`,
    ignore: missing !== "",
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      await using chaos = await Chaos.start();
      try {
        await play(chaos);
      } catch (thrown) {
        await showLogs(chaos);
        throw thrown;
      } finally {
        console.log(chaos.summary);
      }
    },
  });
}

async function showLogs(chaos: Chaos): Promise<void> {
  for (const [name, log] of await chaos.logs()) {
    if (folder === undefined) console.log(`-- ${name} --\n${log.split("\n").slice(-150).join("\n")}`);
    else {
      await Deno.mkdir(`${folder}/${seed}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/${seed}/${name.replace(" ", "-")}.log`, log);
    }
  }
}

function textOf({ text, pausesMs, wholeMs, isJudged }: Round): string {
  const pauses = [...pausesMs].map(([instance, ms]) => `${Math.round(ms)} (${instance})`).join(", ");
  const majority = isJudged ? "" : ", no majority";
  return `${text}: writes stood still for ${pauses} ms, whole ${Math.round(wholeMs)} ms later${majority}`;
}

function isLate({ pausesMs, isJudged }: Round): boolean {
  return isJudged && [...pausesMs.values()].some((ms) => ms > WRITES_WITHIN_MS);
}

withChaos(
  "instances, etcd and nodes are killed, stopped and cut off at random: no acknowledged row is lost, and writes go on",
  async (chaos) => {
    console.log(`PGPLEX_CHAOS_SEED=${seed} PGPLEX_CHAOS_SECONDS=${seconds}`);
    const random = new Seeded(seed);
    const endMs = performance.now() + seconds * 1000;
    const rounds: Round[] = [];
    do {
      const round = await chaos.round((roles) => drawFaults(random, roles));
      rounds.push(round);
      console.log(textOf(round));
    } while (performance.now() < endMs);
    await chaos.judge();
    assert.deepEqual(rounds.filter(isLate).map(textOf), [], "writes were not back in time");
  },
);

withChaos(
  "a leader that is cut off from nodes does not keep the others from replacing a primary that dies",
  async (chaos) => {
    const cut = { what: "cut", how: "silent", afterMs: 0, lastsMs: 14_000 } as const;
    const kill = { what: "kill", others: [], how: "silent", afterMs: 500, lastsMs: 14_000 } as const;
    const rounds: Round[] = [];
    for (const lost of ["one standby", "all nodes"] as const) {
      const round = await chaos.round(({ leader, primary }): Fault[] => {
        const standby = ACTORS.node.find((node) => node !== primary)!;
        const others = lost === "all nodes" ? ACTORS.node : [standby];
        return [{ ...cut, actor: leader, others }, { ...kill, actor: primary }];
      });
      rounds.push(round);
      console.log(textOf(round));
    }
    await chaos.judge();
    assert.deepEqual(rounds.filter(isLate).map(textOf), [], "writes were not back in time");
  },
);
