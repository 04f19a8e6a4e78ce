import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { FakeParts, fakeServer } from "../parts/fake_parts_test.ts";
import { SESSION_STATE_COLUMNS, showSessionState } from "./show_session_state.ts";

/** Rows of one kind, without the kind. */
const rows = (fake: FakeParts, kind: string) =>
  showSessionState(fake.parts, "1").rows.filter(([each]) => each === kind).map((row) => row.slice(1));

Deno.test("showSessionState shows what a session believes, and NULL where it holds no server connection", () => {
  const fake = new FakeParts();
  fake.addSession(1, fake.addPool(), {
    settings: { values: new Map([["TimeZone", "UTC"]]) },
    preparedCount: 1,
    sqlStatements: new Map([["p", ""]]),
    channels: new Set(["news"]),
  });
  deepEqual(showSessionState(fake.parts, "1").columns, SESSION_STATE_COLUMNS);
  deepEqual(rows(fake, "session").map((row) => row.slice(0, 3)), [
    ["user", "alice", null],
    ["database", "app", null],
    ["pool_mode", "transaction", null],
    ["state", "idle", null],
    ["pins", "", null],
    ["prepared_statements", "1", null],
  ]);
  deepEqual(rows(fake, "setting"), [["TimeZone", "UTC", null, null]]);
  deepEqual(rows(fake, "statement"), [["p", "PREPARE", null, null]]);
  deepEqual(rows(fake, "channel"), [["news", "LISTEN", null, null]]);
});

Deno.test("showSessionState says where the server connection differs from the session", () => {
  const fake = new FakeParts();
  const [here, gone] = [{ name: "s1" }, { name: "s2" }];
  const server = fakeServer(1, {
    txStatus: 0x54, // 'T'
    settings: { values: new Map([["TimeZone", "CET"], ["DateStyle", "ISO"]]) },
    prepared: { size: 1, all: () => [here] },
    sqlStatements: new Map([["p", ""]]),
  });
  fake.addSession(1, fake.addPool(), {
    server,
    held: server,
    settings: { values: new Map([["DateStyle", "ISO"], ["TimeZone", "UTC"]]) },
    preparedNames: { names: () => ["a", "b"], findName: (name: string) => name === "a" ? here : gone },
    sqlStatements: new Map([["p", ""], ["q", ""]]),
  });
  deepEqual(rows(fake, "setting"), [["DateStyle", "ISO", "ISO", false], ["TimeZone", "UTC", "CET", true]]);
  deepEqual(rows(fake, "statement"), [
    ["a", "Parse", "s1", false],
    ["b", "Parse", null, true],
    ["p", "PREPARE", "p", false],
    ["q", "PREPARE", null, true],
  ]);
  deepEqual(rows(fake, "session").slice(3), [
    ["state", "active", "in transaction", null],
    ["pins", "", null, null],
    ["prepared_statements", "0", "2", null],
  ]);
});

Deno.test("showSessionState shows a bounded number of statements and channels, and knows no other session", () => {
  const fake = new FakeParts();
  const many = Array.from({ length: 1500 }, (_, n) => String(n));
  fake.addSession(1, fake.addPool(), {
    preparedNames: { names: () => many, findName: () => null },
    channels: new Set(many),
  });
  equal(rows(fake, "statement").length, 1000);
  equal(rows(fake, "channel").length, 1000);
  throws(() => showSessionState(fake.parts, "2"), {
    code: "undefined_object",
    message: "session 2 does not exist",
  });
});
