import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { commandOf } from "./events.ts";

Deno.test("commandOf takes what JSON has kept of a command, and nothing else", () => {
  const commands = [
    { kind: "switchover", to: "n2", withinMs: 5_000, isForced: false },
    { kind: "switchover", to: null, withinMs: null, isForced: true },
    { kind: "failover", to: null, isForced: false },
    { kind: "rejoin", node: "n1" },
  ];
  for (const command of commands) deepEqual(commandOf(JSON.parse(JSON.stringify(command))), command);
  for (const other of [null, 7, {}, { kind: "switchover" }, { kind: "failover", to: 1, isForced: false }]) {
    deepEqual(commandOf(other), null);
  }
});
