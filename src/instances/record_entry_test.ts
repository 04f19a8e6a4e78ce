import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { RecordEntry } from "./record_entry.ts";

const entry = (modRevision: number, value = "a") => ({
  key: "clusters/main",
  value,
  createRevision: 1,
  modRevision,
});
const at = (revision: number, sentMs: number, nowMs = sentMs + 1) => ({ revision, sentMs, nowMs });
const NEWS = { worth: "newest", isNews: true };
const SAME = { worth: "newest", isNews: false };
const OLD = { worth: "old", isNews: false };

Deno.test("a record is news once, and an older one never is", () => {
  const record = new RecordEntry();
  deepEqual(record.saw(null, at(5, 0)), SAME);
  deepEqual(record.wasThere, false);
  deepEqual(record.saw(entry(7), at(8, -Infinity, 10)), NEWS);
  deepEqual(record.saw(entry(7), at(9, 11)), SAME);
  deepEqual(record.saw(entry(6), at(6, -Infinity, 20)), OLD);
  deepEqual(record.saw(null, at(10, 21)), SAME);
  deepEqual(record.wasThere, true);
});

Deno.test("behind a write of its own what was read before is old, and the write is news yet", () => {
  const record = new RecordEntry();
  deepEqual(record.wrote(at(7, 0, 10)), "newest");
  deepEqual([record.wasThere, record.saw(null, at(6, 5))], [true, OLD]);
  deepEqual(record.saw(entry(7), at(7, -Infinity, 20)), NEWS);
});

Deno.test("a record that somebody has read for himself is news yet, and tells that the store has begun anew since", () => {
  const record = new RecordEntry();
  deepEqual([record.read(at(90, 0)), record.wasThere], ["newest", false]);
  deepEqual(record.saw(entry(70), at(90, -Infinity, 5)), NEWS);
  deepEqual(record.saw(entry(3), at(4, -Infinity, 10)), OLD);
  deepEqual(record.saw(entry(3), at(5, 20)), { worth: "anew", isNews: true });
});

Deno.test("in a store that has begun anew a record is news by whatever revision, also the same one", () => {
  const record = new RecordEntry();
  record.saw(entry(90), at(100, 0));
  deepEqual(record.saw(entry(90), at(95, 10)), { worth: "anew", isNews: true });
  deepEqual(record.saw(entry(90), at(96, 20)), SAME);
  deepEqual(record.saw(null, at(1, 30)), { worth: "anew", isNews: false });
  deepEqual([record.wasThere, record.wrote(at(2, 40)), record.saw(entry(2), at(3, 50))], [
    true,
    "newest",
    NEWS,
  ]);
  // One that has overtaken the other before anybody looked.
  deepEqual(record.saw(entry(2, "b"), at(4, 60)), NEWS);
  deepEqual(record.wrote(at(1, 70)), "anew");
});
