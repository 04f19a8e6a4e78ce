import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { NotedReads } from "./noted_reads.ts";

/** A message of so many bytes, each `fill`, somewhere in a buffer. */
function message(fill: number, length = 3, whole = true) {
  const bytes = new Uint8Array(length + 10).fill(255).fill(fill, 5, 5 + length);
  return { at: 5, bytes, messageEnd: 5 + length, whole };
}

Deno.test("NotedReads keeps what was sent, in order, until something is answered", () => {
  const noted = new NotedReads();
  equal(noted.unanswered(7), null);
  noted.note(message(1), 7);
  noted.note(message(2, 2), 9);
  deepEqual(noted.unanswered(7), Uint8Array.of(1, 1, 1, 2, 2));
  equal(noted.unanswered(8), null, "the client was given something");
  noted.clear();
  equal(noted.unanswered(7), null);
});

Deno.test("NotedReads has room for long statements too", () => {
  const noted = new NotedReads();
  noted.note(message(1), 0);
  noted.note(message(3, 2000), 0);
  const all = noted.unanswered(0)!;
  deepEqual([all.length, all[0], all[2], all[3], all[2002]], [2003, 1, 1, 3, 3]);
});

Deno.test("NotedReads gives up what has not come as a whole, what is too long, and what it is told to", () => {
  const noted = new NotedReads();
  for (
    const spoil of [
      () => noted.note(message(2, 3, false), 0),
      () => noted.note(message(2, 20_000), 0),
      () => noted.spoil(),
    ]
  ) {
    noted.clear();
    noted.note(message(1), 0);
    spoil();
    noted.note(message(3), 0);
    equal(noted.unanswered(0), null);
  }
});
