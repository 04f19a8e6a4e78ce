import { deepStrictEqual as deepEqual, match, notStrictEqual as notEqual } from "node:assert/strict";
import { SeededRandom } from "../kernel/mod.ts";
import type { CommitVerdict } from "../servers/mod.ts";
import { FindingOut, markerBy } from "./finding_out.ts";
import type { SessionParts } from "./session_parts.ts";
import type { Doubt } from "./survival.ts";

function rig(verdict: CommitVerdict | null, queryWaitTimeoutMs = 0) {
  const did: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<CommitVerdict>();
  const parts = {
    pools: {
      inquire: (cluster: string, _: unknown, limitMs: number) => {
        did.push(cluster, limitMs);
        return { answer: promise, stop: () => resolve("unknown") };
      },
    },
    warnings: { say: (_: string, text: string, fields: { found: string }) => did.push(text, fields.found) },
  };
  const note = { xid: "1", lsn: "0/1", timeline: 1, marker: "m" };
  const doubt: Doubt = { note, verdict, answer: (found) => did.push(`answered ${found}`) };
  const host = { queryWaitTimeoutMs, found: () => did.push("found") };
  const findingOut = new FindingOut(parts as unknown as SessionParts, "main", 1, doubt, host);
  return { did, resolve, findingOut };
}

const TOLD = "the answer to a COMMIT was lost";

Deno.test("FindingOut answers what was found, within the session's own limit or thirty seconds", async () => {
  for (const [limitMs, used] of [[0, 30_000], [1000, 1000], [120_000, 30_000]] as const) {
    const { did, resolve, findingOut } = rig(null, limitMs);
    deepEqual(did, ["main", used]);
    resolve("committed");
    await findingOut.over;
    deepEqual(did.slice(2), ["answered committed", TOLD, "committed", "found"]);
  }
});

Deno.test("FindingOut that is stopped says that it is unknown, and asks nobody what is known", async () => {
  const stopped = rig(null);
  stopped.findingOut.stop();
  await stopped.findingOut.over;
  deepEqual(stopped.did.slice(2), ["answered unknown", TOLD, "unknown", "found"]);
  const known = rig("committed");
  known.findingOut.stop();
  await known.findingOut.over;
  deepEqual(known.did, ["answered committed", TOLD, "committed", "found"]);
});

Deno.test("markerBy makes another text each time", () => {
  const random = new SeededRandom(1);
  match(markerBy(random), /^[0-9a-f]{24}$/);
  notEqual(markerBy(random), markerBy(random));
});
