import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { fakeServer, FakeStream } from "../backend/fake_server_test.ts";
import { Settings, StatementStore } from "../backend/mod.ts";
import { Fingerprints } from "../learning/mod.ts";
import { binaryString } from "../protocol/mod.ts";
import { BufferPool, Outbox } from "../transport/mod.ts";
import { Relay } from "./relay.ts";
import { ToldSettings } from "./told_settings.ts";

const opened = Settings.from([["application_name", ""], ["client_encoding", "UTF8"], ["TimeZone", "UTC"]]);

function made(givenName: string | null = null) {
  const stream = new FakeStream();
  const out = new Outbox(stream, new BufferPool());
  const relay = new Relay(out, new StatementStore(), {
    renames: true,
    preparedMax: 10,
    fingerprints: new Fingerprints(),
  });
  const { server } = fakeServer({ settings: opened });
  const told = new ToldSettings(relay, out, givenName);
  told.greet(opened);
  /** What the client hears: name and value of each ParameterStatus. */
  const heard = async () => {
    await out.flush();
    const bytes = stream.taken();
    return binaryString(bytes, 0, bytes.length).split("S\0\0\0").slice(1)
      .map((part) => part.slice(1).split("\0").slice(0, 2).join("="));
  };
  const begin = (settings: Settings = opened) => {
    server.state.found(settings, false);
    relay.leaseBegins(server, false);
    told.leaseBegins(server);
  };
  return { relay, server, told, heard, begin };
}

Deno.test("ToldSettings greets with the client's application_name, and repeats what it knows where nothing else is said", async () => {
  const { relay, told, heard } = made("me");
  deepEqual([told.current?.applicationName, told.loginName, relay.loginName.name], ["me", "me", "me"]);
  told.repeat();
  deepEqual(await heard(), ["client_encoding=UTF8"]);
  relay.progress.repliesTaken(true);
  told.repeat();
  deepEqual(await heard(), []);
});

Deno.test("ToldSettings means by a login without an application_name the one that its greeting told", () => {
  const { told } = made();
  deepEqual([told.loginName, told.current === opened], ["", true]);
});

Deno.test("ToldSettings tells what differs on the server of a lease, once", async () => {
  const { server, told, heard, begin } = made();
  server.state.reports("TimeZone", "CET");
  begin(server.settings);
  deepEqual(await heard(), ["TimeZone=CET"]);
  equal(told.current, server.settings);
  begin(server.settings);
  deepEqual(await heard(), []);
});

Deno.test("ToldSettings takes what the server reports, and how it reads strings", () => {
  const { relay, server, told, begin } = made();
  begin();
  server.noteParameter("TimeZone", "CET");
  equal(told.reported(server, "TimeZone", "CET"), true);
  equal(told.current, server.settings);
  told.reported(server, "standard_conforming_strings", "off");
  equal(relay.watch.backslashes, true);
});

Deno.test("ToldSettings means the login's application_name where RESET goes back to that of the connection", async () => {
  const { relay, server, told, heard, begin } = made("me");
  begin();
  await heard();
  equal(told.reported(server, "application_name", "other"), true);
  equal(told.current?.applicationName, "other");
  const reset = "RESET ALL";
  relay.watch.runs(relay.watch.look(new TextEncoder().encode(reset), 0, reset.length));
  equal(told.reported(server, "application_name", ""), false);
  deepEqual([await heard(), told.current?.applicationName, relay.loginName.mayBeReset], [
    ["application_name=me"],
    "me",
    true,
  ]);
});

Deno.test("ToldSettings.found says whether the state is as it was when the lease began, and keeps that object", () => {
  const { server, told, begin } = made();
  begin();
  const same = Settings.from(opened.values);
  equal(told.found(server, { settings: same, nameIsSet: false }), true);
  deepEqual([server.settings === opened, told.current === opened], [true, true]);
  const other = opened.with("work_mem", "1");
  equal(told.found(server, { settings: other, nameIsSet: true }), false);
  deepEqual([server.settings === other, told.current === other, server.state.nameIsSet], [true, true, true]);
});

Deno.test("ToldSettings.lost tells the client what holds in place of what could not be had", async () => {
  const { server, told, heard, begin } = made();
  begin();
  told.current = opened.with("TimeZone", "Gone/Zone").with("role", "gone");
  told.lost(server, []);
  deepEqual([await heard(), told.current === server.settings], [["TimeZone=UTC"], true]);
  told.lost(server, []);
  deepEqual(await heard(), []);
});

Deno.test("ToldSettings.assigned takes what statements say for the session's and the server's own", async () => {
  const { server, told, heard, begin } = made();
  begin(opened.with("my.old", "1"));
  await heard();
  told.assigned(server, new Map([["my.app", "x"], ["my.old", ""]]));
  deepEqual([...told.current!.values].filter(([name]) => name.startsWith("my.")), [["my.app", "x"]]);
  deepEqual([told.current === server.settings, await heard()], [true, []]);
});

Deno.test("ToldSettings.nameDoubtful where the server has the connection's own name, be it by RESET or by SET", () => {
  const { relay, server, told, begin } = made("me");
  begin();
  relay.loginName.greeted("me");
  equal(told.nameDoubtful(server), false, "it has the client's");
  told.reported(server, "application_name", "");
  deepEqual([told.current?.applicationName, told.nameDoubtful(server)], ["", true]);
  told.reported(server, "application_name", "other");
  equal(told.nameDoubtful(server), false);
});

Deno.test("ToldSettings.wasSet knows what was SET of what servers report, be it to what it was", () => {
  const { told, begin } = made();
  begin();
  told.wasSet("TimeZone", "UTC");
  told.wasSet("lock_timeout", "5s");
  deepEqual([[...told.current!.wereSet], told.current!.values.get("lock_timeout")], [["TimeZone"], "5s"]);
  const { current } = told;
  told.wasSet("TimeZone", "UTC");
  equal(told.current, current);
});

Deno.test("ToldSettings tells the client nothing of what differs in that it was SET", async () => {
  const { server, told, heard, begin } = made();
  begin();
  told.wasSet("TimeZone", "UTC");
  begin();
  deepEqual([await heard(), told.current === server.settings], [[], true]);
  told.wasSet("TimeZone", "UTC");
  told.lost(server, []);
  deepEqual([await heard(), told.current === server.settings], [[], true]);
});

Deno.test("ToldSettings goes back to what a setting was before the last SET of which no server knew", () => {
  const { server, told, begin } = made();
  begin(opened.with("ext.limit", "1"));
  told.transactionEnds();
  told.wasSet("ext.limit", "2");
  told.wasSet("ext.limit", "bogus");
  begin(opened);
  told.current = opened.with("ext.limit", "bogus");
  deepEqual(told.lost(server, ["ext.limit", "role"]), ["ext.limit"]);
  equal(told.current.values.get("ext.limit"), "1");
  deepEqual(told.lost(server, ["ext.limit"]), [], "that is not taken either");
  equal(told.current, server.settings);
});

Deno.test("ToldSettings.loses: a setting is gone where it was none before, or servers have taken it meanwhile", () => {
  const { server, told, begin } = made();
  begin();
  told.wasSet("ext.limit", "1");
  deepEqual([told.loses("ext.limit"), told.current?.values.has("ext.limit")], [false, false]);
  told.assigned(server, new Map([["ext.limit", "1"]]));
  told.transactionEnds();
  deepEqual([told.loses("ext.limit"), told.current?.values.has("ext.limit")], [false, false]);
  told.assigned(server, new Map([["ext.limit", "1"]]));
  told.assigned(server, new Map([["ext.limit", "2"]]));
  told.wasSet("ext.limit", "3");
  deepEqual([told.loses("ext.limit"), told.current?.values.get("ext.limit")], [true, "2"]);
});
