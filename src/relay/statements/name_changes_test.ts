import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer } from "../../backend/fake_server_test.ts";
import { StatementStore } from "../../backend/mod.ts";
import { Attention } from "../attention.ts";
import { NameChanges } from "./name_changes.ts";
import { PreparedNames } from "./prepared_names.ts";

function made() {
  const store = new StatementStore();
  const names = new PreparedNames(store);
  const attention = new Attention();
  const changes = new NameChanges(names, store, attention);
  const also: string[] = [];
  const parts = (text: string) => ({
    statement: store.use(text),
    order: null,
    path: "one",
    batch: 1,
    also: { done: () => also.push("done"), undo: () => also.push("undone") },
  });
  const text = (name: string) => names.findName(name)?.definition ?? null;
  return { store, names, attention, changes, also, parts, text };
}

Deno.test("NameChanges takes a Parse for done at once, and releases what the name stood for when it is", () => {
  const { store, changes, also, parts, text } = made();
  changes.make("s", parts("a")).done();
  const change = changes.make("s", parts("b"));
  deepEqual([text("s"), store.size, changes.pending, changes.changes("s")], ["b", 2, true, true]);
  deepEqual([changes.doubtful("s", 1), changes.doubtful("s", 2)], [false, true]);
  change.done();
  deepEqual([text("s"), store.size, changes.pending, also], ["b", 1, false, ["done", "done"]]);
});

Deno.test("NameChanges: a Parse that was skipped leaves what was there, with what the client was told of it", () => {
  const { store, names, changes, also, parts, text } = made();
  changes.make("s", parts("a")).done();
  names.toldOf("s")!.row = "told";
  changes.make("s", parts("b")).undo();
  deepEqual([text("s"), names.toldOf("s")?.row, store.size, also], ["a", "told", 1, ["done", "undone"]]);
  changes.make("t", parts("c")).undo();
  deepEqual([text("t"), store.size], [null, 1]);
});

Deno.test("NameChanges: a Close takes the name at once, and gives it back where it was skipped", () => {
  const { store, changes, parts, text } = made();
  changes.make("s", parts("a")).done();
  const skipped = changes.end("s", 1);
  equal(text("s"), null);
  skipped.undo();
  equal(text("s"), "a");
  changes.end("s", 1).done();
  deepEqual([text("s"), store.size], [null, 0]);
  changes.end("none", 1).done();
  equal(changes.pending, false);
});

Deno.test("NameChanges gives nothing back that a DEALLOCATE ALL ended meanwhile", () => {
  const { store, changes, parts, text } = made();
  changes.make("s", parts("a")).done();
  const skipped = changes.end("s", 1);
  const { server } = fakeServer();
  server.foreignNames.add("s").add("t");
  changes.allDropped(server);
  deepEqual([...server.foreignNames], ["s"]); // its Close is on its way
  skipped.undo();
  deepEqual([text("s"), store.size], [null, 0]);
});

Deno.test("NameChanges looks at messages again where a SHOW is given back", () => {
  const { changes, attention, parts } = made();
  const show = { changes: [], remake: null, show: { setting: "pgplex.tag", text: () => "" } };
  changes.make("s", { ...parts("a"), order: show }).done();
  changes.end("s", 1).undo();
  equal(attention.on, true);
});

Deno.test("NameChanges.repeat changes nothing but that the name is on its way, and deallocated ends it", () => {
  const { store, changes, also, parts, text } = made();
  changes.make("s", parts("a")).done();
  const repeated = changes.repeat("s", 3, parts("b").also);
  deepEqual([text("s"), changes.doubtful("s", 4)], ["a", true]);
  repeated.undo();
  deepEqual([text("s"), changes.pending, also], ["a", false, ["done", "undone"]]);
  changes.deallocated("s");
  changes.deallocated("s");
  deepEqual([text("s"), store.size], [null, 1]); // parts("b") took one
});
