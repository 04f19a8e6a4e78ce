import assert from "node:assert/strict";
import fc from "fast-check";
import { GoawayGate } from "./goaway_gate.ts";

function frame(type: number, body: number[] = []): number[] {
  const { length } = body;
  return [length >> 16, (length >> 8) & 255, length & 255, type, 0, 0, 0, 0, 0, ...body];
}

const SETTINGS = frame(4);
const GOAWAY = frame(7, [0, 0, 0, 1, 0, 0, 0, 0]);
// A body in which a whole GOAWAY stands, and which is longer than a byte can say.
const DATA = frame(0, [...GOAWAY, ...Array(300).fill(7)]);

function passed(bytes: number[], cuts: readonly number[]): { passed: number[]; isShut: boolean } {
  const gate = new GoawayGate();
  const through: number[] = [];
  const edges = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  let from = 0;
  for (const to of edges) {
    const chunk = Uint8Array.from(bytes.slice(from, to));
    through.push(...chunk.subarray(0, gate.pass(chunk)));
    from = to;
  }
  return { passed: through, isShut: gate.isShut };
}

Deno.test("frames without a GOAWAY pass as they are, whatever the chunks", () => {
  const bytes = [...SETTINGS, ...DATA, ...SETTINGS, ...DATA];
  fc.assert(fc.property(fc.array(fc.nat(2000)), (cuts) => {
    assert.deepEqual(passed(bytes, cuts), { passed: bytes, isShut: false });
  }));
});

Deno.test("of a GOAWAY no type passes, nor anything behind it, whatever the chunks", () => {
  const before = [...SETTINGS, ...DATA];
  const bytes = [...before, ...GOAWAY, ...DATA, ...GOAWAY];
  fc.assert(fc.property(fc.array(fc.nat(2000)), (cuts) => {
    const got = passed(bytes, cuts);
    assert.equal(got.isShut, true);
    assert.deepEqual(got.passed, [...before, ...GOAWAY.slice(0, 3)]);
  }));
});

Deno.test("a gate that is shut passes nothing any more", () => {
  const gate = new GoawayGate();
  assert.equal(gate.pass(Uint8Array.from(GOAWAY)), 3);
  assert.equal(gate.pass(Uint8Array.from(SETTINGS)), 0);
});
