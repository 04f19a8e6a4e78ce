import { deepStrictEqual as deepEqual } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { CLOSE_COMPLETE, READY_IDLE } from "./replies.ts";

Deno.test("READY_IDLE and CLOSE_COMPLETE are as servers send them", () => {
  deepEqual(READY_IDLE, frontend.message("Z", frontend.text("I")));
  deepEqual(CLOSE_COMPLETE, frontend.message("3"));
});
