import assert from "node:assert/strict";
import { startEtcdCluster, waitFor } from "../harness/mod.ts";
import type { Came } from "./etcd_rounds_client.ts";

/** Each ends two members; 100 take about nine minutes. */
const ROUNDS = Number(Deno.env.get("PGPLEX_ETCD_ROUNDS") ?? 2);
/** How long a member stands still before it ends: etcd sends GOAWAY for what has piled up, too. */
const STALL_MS = 4_000;

Deno.test("a process outlives members that end gracefully, also behind a stall", async () => {
  await using etcd = await startEtcdCluster();
  const client = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--no-check",
      new URL("etcd_rounds_client.ts", import.meta.url).pathname,
      ...etcd.urls,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ended = client.output();
  let status: Deno.CommandOutput | null = null;
  ended.then((output) => status = output);
  try {
    await waitFor(async () => await etcd.get("/pgplex/w/1-010") !== undefined || status !== null, {
      what: "the client to write",
    });
    for (let round = 0; round < ROUNDS && status === null; round++) {
      const stalled = etcd.members[round % 3]!;
      stalled.signal("SIGSTOP");
      const untilMs = performance.now() + STALL_MS;
      await waitFor(() => performance.now() >= untilMs, { what: "the stall to end" });
      stalled.signal("SIGCONT");
      await stalled.stop("SIGTERM");
      await stalled.start();
      const other = etcd.members[(round + 1) % 3]!;
      await other.stop("SIGTERM");
      await other.start();
      if (ROUNDS > 10) console.log(`round ${round + 1} of ${ROUNDS}`);
    }
  } finally {
    await client.stdin.close().catch(() => {});
  }
  const { signal, code, stdout, stderr } = await ended;
  const said = new TextDecoder().decode(stderr);
  assert.deepEqual({ signal, code }, { signal: null, code: 0 }, said);
  const came: Came = JSON.parse(new TextDecoder().decode(stdout));
  console.log(JSON.stringify(came));
  assert.deepEqual([came.missing, came.isWatched], [0, true], JSON.stringify(came));
  assert.ok(came.longestMs < 2_000 + 1_000, JSON.stringify(came));
});
