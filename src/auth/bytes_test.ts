import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { bytesOf, equalBytes, fromBase64, int32, textOf, toBase64, utf8, xor } from "./bytes.ts";

const bytes = fc.uint8Array({ maxLength: 70 });

Deno.test("textOf and bytesOf keep every byte as one character", () => {
  equal(textOf(Uint8Array.of(0, 0x41, 0x80, 0xff)), "\0A\x80\xff");
  fc.assert(fc.property(bytes, (one) => deepEqual(bytesOf(textOf(one)), one)));
});

Deno.test("textOf and toBase64 read a view where it lies, not the buffer behind it", () => {
  const view = Uint8Array.of(1, 0x61, 0x62, 2).subarray(1, 3);
  deepEqual([textOf(view), toBase64(view)], ["ab", "YWI="]);
});

Deno.test("utf8 writes text as UTF-8", () => {
  deepEqual([...utf8("a\u00e4")], [0x61, 0xc3, 0xa4]);
});

Deno.test("fromBase64 reads back what toBase64 wrote, with the padding of RFC 4648", () => {
  for (
    const [text, coded] of [["", ""], ["f", "Zg=="], ["fo", "Zm8="], ["foo", "Zm9v"], ["foobar", "Zm9vYmFy"]]
  ) {
    equal(toBase64(utf8(text!)), coded);
    deepEqual(fromBase64(coded!), utf8(text!));
  }
  fc.assert(fc.property(bytes, (one) => deepEqual(fromBase64(toBase64(one)), one)));
});

Deno.test("fromBase64 refuses what Node's decoder would pass over", () => {
  for (const text of ["Zg", "Zg=", "Zg===", "Z", "Zm9v ", "Zm-v", "Zm_v", "Zm9v\n", "=", "Zg==Zg=="]) {
    equal(fromBase64(text), null, JSON.stringify(text));
  }
});

Deno.test("equalBytes takes lengths apart, and never throws for them", () => {
  equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
  equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
  equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
  equal(equalBytes(new Uint8Array(0), new Uint8Array(0)), true);
});

Deno.test("xor takes back what it did", () => {
  deepEqual([...xor(Uint8Array.of(0b1100, 0xff), Uint8Array.of(0b1010, 0xff))], [0b0110, 0]);
  fc.assert(fc.property(bytes, (one) => {
    const other = one.map((byte) => 255 - byte);
    deepEqual(xor(xor(one, other), other), one);
  }));
});

Deno.test("int32 writes the highest byte first", () => {
  deepEqual([...int32(0x01020304)], [1, 2, 3, 4]);
  deepEqual([...int32(-1)], [255, 255, 255, 255]);
});
