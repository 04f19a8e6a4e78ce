import { deepStrictEqual as deepEqual } from "node:assert/strict";
import type { CommandAnswer } from "../arbiter/mod.ts";
import { VirtualClock } from "../kernel/mod.ts";
import { FakeKeys, FakeStore, pass } from "./fake_store_test.ts";
import { Requests } from "./requests.ts";
import { clusterKey, CLUSTERS } from "./values.ts";

function rig({ isLeading = true, hasLeader = true } = {}) {
  const clock = new VirtualClock();
  const keys = new FakeKeys();
  const store = new FakeStore(keys, clock, new Set());
  const performed: string[] = [];
  const answers: PromiseWithResolvers<CommandAnswer>[] = [];
  const requests = new Requests({
    store,
    clock,
    self: { id: 1, incarnation: "me" },
    newId: () => "r1",
    isLeading: () => isLeading,
    hasLeader: () => hasLeader,
    isThere: (_, incarnation) => incarnation !== "dead",
    perform: (cluster, { kind }, by) => {
      performed.push(`${cluster} ${kind} ${by}`);
      answers.push(Promise.withResolvers());
      return answers.at(-1)!.promise;
    },
  });
  store.watch(CLUSTERS, (listing) => requests.heard(listing));
  const put = (value: Record<string, unknown>) => {
    const whole = { instance: 2, incarnation: "you", by: "op", takenBy: null, answer: null, ...value };
    const key = clusterKey("main", "requests", "r9");
    keys.commit([], [{ kind: "put", key, value: JSON.stringify(whole) }]);
    requests.heard(keys.list(CLUSTERS));
  };
  const stored = () => {
    const entry = keys.entries.get(clusterKey("main", "requests", "r9"));
    return entry === undefined ? null : JSON.parse(entry.value);
  };
  return { clock, keys, store, requests, performed, answers, put, stored };
}

Deno.test("who leads does a request once, and writes the answer", async () => {
  const { clock, performed, answers, put, stored, requests, keys } = rig();
  put({ command: { kind: "rejoin", node: "n1" } });
  await pass(clock, 50);
  requests.heard(keys.list(CLUSTERS));
  await pass(clock, 50);
  deepEqual(performed, ["main rejoin op"]);
  answers[0]!.resolve({ ok: true, text: "done" });
  await pass(clock, 50);
  deepEqual(stored().answer, { ok: true, text: "done" });
});

Deno.test("an answer that could not be written is written later", async () => {
  const { clock, store, answers, put, stored, requests, keys } = rig();
  put({ command: { kind: "rejoin", node: "n1" } });
  await pass(clock, 50);
  store.fate = "failed";
  answers[0]!.resolve({ ok: true, text: "done" });
  await pass(clock, 50);
  deepEqual(stored().answer, null);
  store.fate = "done";
  requests.heard(keys.list(CLUSTERS));
  await pass(clock, 50);
  deepEqual(stored().answer, { ok: true, text: "done" });
});

Deno.test("a request that another leader had begun is not done again", async () => {
  const { clock, performed, put, stored } = rig();
  put({ command: { kind: "rejoin", node: "n1" }, takenBy: "other" });
  await pass(clock, 50);
  deepEqual([performed, stored().answer.ok], [[], false]);
});

Deno.test("what is not understood is answered, and what nobody waits for is removed", async () => {
  const { clock, performed, put, stored } = rig();
  put({ command: { kind: "dance" } });
  await pass(clock, 50);
  deepEqual([performed, stored().answer.ok], [[], false]);
  put({ command: { kind: "rejoin", node: "n1" }, incarnation: "dead" });
  await pass(clock, 50);
  deepEqual([performed, stored()], [[], null]);
});

Deno.test("nobody is asked where nobody leads, and nobody waits for one that stops", async () => {
  const without = rig({ hasLeader: false, isLeading: false });
  const command = { kind: "rejoin", node: "n1" } as const;
  deepEqual((await without.requests.ask("main", command, "op")).ok, false);
  const { requests, clock } = rig({ isLeading: false });
  const asked = requests.ask("main", command, "op");
  await pass(clock, 50);
  requests.end("pgplex stops");
  deepEqual(await asked, { ok: false, text: "pgplex stops" });
  deepEqual(clock.pending, 0);
});

Deno.test("a request of which nobody has told that it was taken up is done all the same, and once", async () => {
  const { clock, store, performed, answers, put, stored, requests, keys } = rig();
  store.fate = "lost";
  put({ command: { kind: "rejoin", node: "n1" } });
  await pass(clock, 50);
  deepEqual([performed, stored().takenBy], [[], "me"]);
  store.fate = "done";
  const before = keys.list(CLUSTERS);
  requests.heard(before);
  await pass(clock, 50);
  answers[0]!.resolve({ ok: true, text: "done" });
  await pass(clock, 50);
  deepEqual(stored().answer, { ok: true, text: "done" });
  requests.heard(before);
  await pass(clock, 50);
  deepEqual(performed, ["main rejoin op"]);
});

Deno.test("whoever asks hears where a request that was taken up is removed", async () => {
  const { clock, requests, keys } = rig({ isLeading: false });
  const asked = requests.ask("main", { kind: "rejoin", node: "n1" }, "op");
  await pass(clock, 50);
  const key = clusterKey("main", "requests", "r1");
  const value = JSON.stringify({ ...JSON.parse(keys.entries.get(key)!.value), takenBy: "you" });
  keys.commit([], [{ kind: "put", key, value }]);
  requests.heard(keys.list(CLUSTERS));
  keys.commit([], [{ kind: "remove", key }]);
  requests.heard(keys.list(CLUSTERS));
  deepEqual((await asked).ok, false);
  deepEqual(clock.pending, 0);
});

Deno.test("whoever asks while the store is away hears that nobody knows, and what is there of it is not done later", async () => {
  const { clock, store, requests, keys } = rig({ isLeading: false });
  store.fate = "late";
  let answer: CommandAnswer | null = null;
  void requests.ask("main", { kind: "rejoin", node: "n1" }, "op").then((said) => answer = said);
  await pass(clock, 59_000);
  deepEqual(answer, null);
  await pass(clock, 2_000);
  deepEqual(answer, {
    ok: false,
    text:
      "nobody can tell whether it was taken up, as the store that the instances share does not answer: see SHOW FAILOVERS",
  });
  deepEqual(clock.pending, 0);
  // The write comes to the store when it is back.
  store.fate = "done";
  store.deliverLate();
  deepEqual(keys.list(CLUSTERS).entries.size, 1);
  requests.heard(keys.list(CLUSTERS));
  await pass(clock, 50);
  deepEqual(keys.list(CLUSTERS).entries.size, 0);
});

Deno.test("an answer for which nobody waits any more is removed", async () => {
  const { clock, put, stored } = rig({ isLeading: false });
  const answer = { ok: true, text: "done" };
  put({ instance: 1, incarnation: "me", command: { kind: "rejoin", node: "n1" }, takenBy: "you", answer });
  await pass(clock, 50);
  deepEqual(stored(), null);
});
