import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { LARGE_BUFFER_BYTES } from "../../transport/mod.ts";
import { FakeParts } from "../parts/fake_parts_test.ts";
import { showMem } from "./show_mem.ts";

Deno.test("showMem counts what is kept, with the bytes of what has a size, and ends with the process", () => {
  const fake = new FakeParts();
  fake.addSession(1, fake.addPool({}, { idleCount: 2, leasedCount: 1 }));
  fake.fingerprints.push({ fingerprints: { size: 5 } });
  const { rows } = showMem(fake.parts);
  const of = (name: string) => rows.find(([each]) => each === name)!.slice(1);
  deepEqual(of("session"), [0, 1, 0, 0]);
  deepEqual(of("server"), [0, 3, 0, 0]);
  deepEqual(of("buffer"), [LARGE_BUFFER_BYTES, 3, 2, 5 * LARGE_BUFFER_BYTES]);
  deepEqual(of("fingerprint"), [0, 5, 0, 0]);
  equal(Number(rows.at(-1)![4]) > 1_000_000, true);
});
