import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { childrenOf, DER, oidOf, readDer } from "./der.ts";

const element = (...bytes: number[]) => readDer(Uint8Array.from(bytes));

Deno.test("readDer reads a short length, and leaves what stands behind", () => {
  const found = element(DER.integer, 2, 1, 2, 9, 9)!;
  deepEqual([found.tag, [...found.content], found.whole.length], [DER.integer, [1, 2], 4]);
  equal(readDer(Uint8Array.of(9, DER.set, 0), 1)!.content.length, 0);
});

Deno.test("readDer reads lengths of one to four bytes", () => {
  for (const length of [[0x81, 200], [0x82, 0, 200], [0x83, 0, 0, 200], [0x84, 0, 0, 0, 200]]) {
    const found = readDer(Uint8Array.from([DER.sequence, ...length, ...new Array(201).fill(7)]))!;
    deepEqual([found.content.length, found.whole.length], [200, 201 + length.length]);
  }
  equal(readDer(Uint8Array.from([DER.sequence, 0x82, 1, 2, ...new Array(258).fill(0)]))!.content.length, 258);
});

Deno.test("readDer refuses what is not whole, has no definite length, or a tag of several bytes", () => {
  for (
    const bytes of [
      [],
      [DER.integer],
      [DER.integer, 1],
      [DER.integer, 2, 0],
      [DER.sequence, 0x80, 0, 0],
      [DER.sequence, 0x85, 0, 0, 0, 0, 0],
      [DER.sequence, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
      [DER.sequence, 0x82, 1],
      [0x1f, 1, 0],
      [0xbf, 1, 0],
    ]
  ) equal(element(...bytes), null, bytes.join(" "));
});

Deno.test("childrenOf gives each element, or null where the last one is cut", () => {
  const parent = element(DER.sequence, 5, DER.integer, 1, 7, DER.set, 0)!;
  deepEqual(childrenOf(parent)!.map(({ tag, content }) => [tag, [...content]]), [[DER.integer, [7]], [
    DER.set,
    [],
  ]]);
  deepEqual(childrenOf(element(DER.sequence, 0)!), []);
  equal(childrenOf(element(DER.sequence, 4, DER.integer, 1, 7, DER.set)!), null);
});

Deno.test("oidOf writes arcs in dots, the first two of which are one", () => {
  const oids: [number[], string][] = [
    [[0x55, 0x04, 0x03], "2.5.4.3"],
    [[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b], "1.2.840.113549.1.1.11"],
    [[0x88, 0x37], "2.999"],
    [[0x27], "0.39"],
  ];
  for (const [content, oid] of oids) equal(oidOf(element(DER.oid, content.length, ...content)!), oid);
  equal(oidOf(element(DER.integer, 1, 0x55)!), null);
  equal(oidOf(element(DER.oid, 0)!), null);
  equal(oidOf(undefined), null);
});

Deno.test("readDer, childrenOf and oidOf take any bytes without throwing, and give nothing from outside of them", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const found = readDer(bytes);
    if (found === null) return;
    equal(found.whole.length <= bytes.length && found.content.length < found.whole.length, true);
    oidOf(found);
    for (const child of childrenOf(found) ?? []) equal(child.whole.buffer, bytes.buffer);
  }));
});
