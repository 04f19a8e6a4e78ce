import assert from "node:assert/strict";
import fc from "fast-check";
import { Lru } from "./lru.ts";

Deno.test("Lru never holds more than its bound and always holds what was set last", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.tuple(fc.boolean(), fc.constantFrom(..."abcdefgh"))),
    (entriesMax, steps) => {
      const lru = new Lru<string>(entriesMax);
      for (const [write, key] of steps) {
        if (write) {
          lru.set(key, key);
          assert.equal(lru.get(key), key);
        } else {
          assert.ok([key, undefined].includes(lru.get(key)));
        }
        assert.ok(lru.size <= entriesMax);
      }
    },
  ));
});

Deno.test("Lru forgets the entry that was used longest ago", () => {
  const lru = new Lru<number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  lru.get("a");
  lru.set("c", 3);
  assert.deepEqual([lru.get("a"), lru.get("b"), lru.get("c")], [1, undefined, 3]);
});
