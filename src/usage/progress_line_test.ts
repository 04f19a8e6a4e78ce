import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { ProgressLine } from "./progress_line.ts";

/** A terminal that keeps what was written to it, with `|` for a line that is erased. */
function terminal(columns = 80) {
  const clock = new VirtualClock();
  let written = "";
  const line = new ProgressLine({ write: (text) => written += text, columns: () => columns, clock });
  return { clock, line, shown: () => written.split("\r\x1b[K").join("|") };
}

Deno.test("ProgressLine counts the seconds of a step, and begins anew with the next one", () => {
  const { clock, line, shown } = terminal();
  line.step("looking");
  clock.advance(1000);
  line.step("looking");
  clock.advance(1000);
  line.step("writing");
  equal(shown(), "|looking …|looking … 1 s|looking … 1 s|looking … 2 s|writing …");
});

Deno.test("ProgressLine.end takes the line away once, and leaves no timer", () => {
  const { clock, line, shown } = terminal();
  line.end();
  equal(shown(), "");
  line.step("looking");
  line.end();
  line.end();
  deepEqual([shown(), clock.pending], ["|looking …|", 0]);
});

Deno.test("ProgressLine stays in one line of the terminal, and passes no control characters on", () => {
  const { line, shown } = terminal(10);
  line.step("\x1b[2Jlooking at much");
  equal(shown(), "|?[2Jlooki");
});
