import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { nameOwnPid } from "./own_pid.ts";

Deno.test("nameOwnPid changes the server connection's process id, and no other", () => {
  const renamed = (pid: number, server: { pid: number } | null) => {
    const bytes = Uint8Array.of(9, 0, 0, 0, pid);
    nameOwnPid(bytes, 1, server, { pid: 77 });
    return [...bytes];
  };
  deepEqual(renamed(5, { pid: 5 }), [9, 0, 0, 0, 77]);
  deepEqual(renamed(6, { pid: 5 }), [9, 0, 0, 0, 6]);
  deepEqual(renamed(5, null), [9, 0, 0, 0, 5]);
});
