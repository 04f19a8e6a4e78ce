import assert from "node:assert/strict";
import { utf8 } from "./bytes.ts";
import { mockKeyOf, mockMd5Secret, mockSalt, mockSecret } from "./mock.ts";

const key = utf8("an instance's random key");

Deno.test("mockSecret looks like PostgreSQL's own: 16 bytes of salt, 4096 rounds", () => {
  const { salt, iterations } = mockSecret("nobody", key);
  assert.deepEqual([salt.length, iterations], [16, 4096]);
  assert.deepEqual(salt, mockSalt("nobody", key));
});

Deno.test("mockSecret is the same for one user and one key, and another for any other", () => {
  assert.deepEqual(mockSecret("nobody", key), mockSecret("nobody", key));
  assert.notDeepEqual(mockSalt("nobody", key), mockSalt("nobody2", key));
  assert.notDeepEqual(mockSalt("nobody", key), mockSalt("nobody", utf8("another")));
});

Deno.test("mockKeyOf is the same for one TLS key, another for any other, and random without one", () => {
  const random = () => utf8("random");
  assert.deepEqual(mockKeyOf("key", random), mockKeyOf("key", () => utf8("other")));
  assert.equal(mockKeyOf("key", random).length, 32);
  assert.notDeepEqual(mockKeyOf("key", random), mockKeyOf("another key", random));
  assert.deepEqual(mockKeyOf(null, random), utf8("random"));
});

Deno.test("mockMd5Secret has 32 hexadecimal digits", () => {
  assert.match(mockMd5Secret("nobody", key).hex, /^[0-9a-f]{32}$/);
});
