import { deepStrictEqual as deepEqual, match, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { decodeState, encodeState, type State } from "./state_encoding.ts";

const STATE: State<unknown> = new Map([
  ["main", { revision: 3, record: { epoch: 2, lastLsn: 0x1_0000_0000n, move: null, names: ["ü", "a\nb"] } }],
  ["other", { revision: 1, record: [] }],
]);

Deno.test("decodeState reads what encodeState has written, bigints among it", () => {
  deepEqual(decodeState(encodeState(STATE)), { kind: "state", state: STATE });
  deepEqual(decodeState(encodeState(new Map())), { kind: "state", state: new Map() });
});

Deno.test("decodeState calls every text damaged that differs in one place, or is cut off", () => {
  const text = encodeState(STATE);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.constantFrom("", "x", "0", "}"), (at, other) => {
      const changed = text.slice(0, at) + other + text.slice(at + 1);
      equal(decodeState(changed).kind, changed === text ? "state" : "damaged");
      if (at > 0) equal(decodeState(text.slice(0, at)).kind, "damaged");
    }),
    { seed: 15, numRuns: 500 },
  );
});

Deno.test("decodeState names the damage", () => {
  const reason = (text: string) => {
    const decoded = decodeState(text);
    return decoded.kind === "damaged" ? decoded.reason : "good";
  };
  match(reason(""), /empty/);
  match(reason("epoch: 3\n"), /no state file/);
  match(reason(encodeState(STATE).replace('"pgplex_state":1', '"pgplex_state":2')), /version is 2/);
  match(reason(encodeState(STATE).slice(0, -3)), /cut off/);
  match(reason(encodeState(STATE).replace('"epoch":2', '"epoch":9')), /checksum/);
});
