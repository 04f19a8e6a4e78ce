import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { cstring, int32, message } from "../../tests/harness/frontend.ts";
import { binaryFromUtf8 } from "./bytes.ts";
import { decodeErrorFields } from "./error_fields.ts";
import { encodeWarning, listenSql, notificationAt, quoteChannel, unlistenSql } from "./notification.ts";

Deno.test("notificationAt reads what PostgreSQL sends", () => {
  const bytes = message("A", int32(4711), cstring("news"), cstring("of the dáy"));
  deepEqual(notificationAt(bytes, 0, bytes.length), {
    pid: 4711,
    channel: "news",
    payload: binaryFromUtf8("of the dáy"),
  });
});

Deno.test("notificationAt takes nothing for a notification that is none, whatever the bytes", () => {
  const whole = message("A", int32(1), cstring("a"), cstring("b"));
  for (let end = 0; end < whole.length; end++) equal(notificationAt(whole, 0, end), null);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    notificationAt(bytes, 0, bytes.length);
  }));
});

Deno.test("Channels are quoted as identifiers", () => {
  equal(quoteChannel('odd "name"'), '"odd ""name"""');
  equal(listenSql(["a", 'B"']), 'LISTEN "a";LISTEN "B"""');
  equal(unlistenSql(["a"]), 'UNLISTEN "a"');
});

Deno.test("encodeWarning is a NoticeResponse with severity, SQLSTATE, message and detail", () => {
  const bytes = encodeWarning("lost", "why");
  equal(bytes[0], "N".charCodeAt(0));
  const fields = decodeErrorFields(bytes, 5, bytes.length);
  deepEqual([fields.get("S"), fields.get("C"), fields.get("M"), fields.get("D")], [
    "WARNING",
    "01000",
    "lost",
    "why",
  ]);
});
