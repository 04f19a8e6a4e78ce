import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { parseSecret, type Secret } from "../auth/mod.ts";
import { Access } from "./access.ts";

const basic = (user: string, password: string) => `Basic ${btoa(`${user}:${password}`)}`;

function rig(authType: "trust" | "scram-sha-256" = "scram-sha-256") {
  const secrets = new Map<string, Secret>([["watcher", parseSecret("right")], ["app", parseSecret("right")]]);
  const state = { timeMs: 0, secrets };
  const access = new Access({
    authType: () => authType,
    mayLook: (user) => user === "watcher" || user === "nobody",
    secretOf: (user) => secrets.get(user) ?? null,
    nowMs: () => state.timeMs,
  });
  return { access, state };
}

Deno.test("Access lets users of the console in by their password, and nobody else", () => {
  const { access } = rig();
  equal(access.check(basic("watcher", "right")), "allowed");
  equal(access.check(basic("watcher", "wrong")), "denied");
  equal(access.check(basic("app", "right")), "denied", "not a user of the console");
  equal(access.check(basic("nobody", "")), "denied", "without a secret");
  for (const header of [null, "", "Basic", "Basic !", "Bearer x", `Basic ${btoa("watcher")}`]) {
    equal(access.check(header), "denied", String(header));
  }
});

Deno.test("Access asks for a user alone where auth.type is trust", () => {
  const { access } = rig("trust");
  equal(access.check(basic("watcher", "")), "allowed");
  equal(access.check(basic("app", "right")), "denied");
  equal(access.check(null), "denied");
});

Deno.test("Access looks at five wrong passwords in a second, and goes on serving who was right before", () => {
  const { access, state } = rig();
  equal(access.check(basic("watcher", "right")), "allowed");
  const verdicts = Array.from({ length: 7 }, () => access.check(basic("watcher", "guess")));
  deepEqual(verdicts, [...Array(5).fill("denied"), "busy", "busy"]);
  equal(access.check(basic("watcher", "right")), "allowed");
  state.timeMs = 1000;
  equal(access.check(basic("watcher", "guess")), "denied");
});

Deno.test("Access forgets a password when the user's secret is another one", () => {
  const { access, state } = rig();
  equal(access.check(basic("watcher", "right")), "allowed");
  state.secrets.set("watcher", parseSecret("changed"));
  equal(access.check(basic("watcher", "right")), "denied");
  equal(access.check(basic("watcher", "changed")), "allowed");
});
