import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { RecordingSink } from "../../../tests/harness/rig.ts";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { Owed, StatementStore } from "../../backend/mod.ts";
import { Fingerprints, OPAQUE_FINGERPRINT } from "../../learning/mod.ts";
import { Relay } from "../relay.ts";
import { UnnamedChanges } from "./unnamed_changes.ts";
import { UNNAMED_BYTES_MAX } from "./unnamed_memory.ts";

function made() {
  const fingerprints = new Fingerprints();
  const relay = new Relay(new RecordingSink(), new StatementStore(), {
    renames: true,
    preparedMax: 10,
    fingerprints,
  });
  const { server } = fakeServer();
  relay.leaseBegins(server, false);
  const changes = new UnnamedChanges(relay);
  const { unnamed } = relay.names;
  const parse = (...body: number[]) => {
    const change = changes.begin(server);
    unnamed.begin(body.length, OPAQUE_FINGERPRINT, null);
    unnamed.record(Uint8Array.from(body), 0, body.length);
    change.begun();
    relay.onServer.unnamedSent(server);
    return change;
  };
  const body = () => unnamed.body === null ? null : [...unnamed.body];
  return { relay, server, changes, unnamed, parse, body };
}

Deno.test("UnnamedChanges: a Parse that is skipped leaves the statement of before, one that fails leaves none", () => {
  const { server, parse, body } = made();
  parse(1).done();
  server.owed.sent(Owed.Bind); // what may make the server skip
  parse(2).undo();
  deepEqual(body(), [1]);
  parse(3).failed();
  equal(body(), null);
});

Deno.test("UnnamedChanges keeps nothing where nothing can be skipped", () => {
  const { parse, body } = made();
  parse(1).done();
  parse(2).undo();
  equal(body(), null);
});

Deno.test("UnnamedChanges: of several that are skipped, the first tells what was before", () => {
  const { server, changes, unnamed, parse, body } = made();
  parse(1).done();
  server.owed.sent(Owed.Bind);
  const first = parse(2);
  const close = changes.begin(null);
  unnamed.drop();
  close.begun();
  const last = parse(3);
  for (const change of [last, close, first]) change.undo();
  deepEqual(body(), [1]);
});

Deno.test("UnnamedChanges: one that is skipped behind one that was made gives way to the later one", () => {
  const { server, parse, body } = made();
  server.owed.sent(Owed.Bind);
  const first = parse(1);
  const second = parse(2);
  first.undo();
  deepEqual(body(), [2]);
  second.undo();
  equal(body(), null);
});

Deno.test("UnnamedChanges remembers that there was one too large to keep", () => {
  const { server, unnamed, parse } = made();
  unnamed.begin(UNNAMED_BYTES_MAX + 1);
  server.owed.sent(Owed.Bind);
  parse(1).undo();
  deepEqual([unnamed.body, unnamed.tooLarge], [null, true]);
});

Deno.test("UnnamedChanges are doubtful for another batch while one is on its way", () => {
  const { server, changes, parse } = made();
  const change = parse(1);
  const { batch } = server.owed;
  deepEqual([changes.doubtful(batch), changes.doubtful(batch + 1)], [false, true]);
  change.done();
  equal(changes.doubtful(batch + 1), false);
});
