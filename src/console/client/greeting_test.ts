import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { greeting, parameterStatus } from "./greeting.ts";

/** A message as its type and its body as text. */
const said = (message: Uint8Array) =>
  String.fromCharCode(message[0]!) +
  [...message.subarray(5)].map((byte) => String.fromCharCode(byte)).join("");

Deno.test("greeting reports settings, then the key of cancel requests, then that the console is ready", () => {
  const messages = greeting(
    { user: "é", admin: true, applicationName: "psql" },
    { version: "1.2.3", pid: 258, secret: Uint8Array.of(1, 2, 3, 4) },
  ).map(said);
  deepEqual(messages[0], "Sserver_version\x0018.0 (pgplex 1.2.3)\0");
  deepEqual(messages.slice(-5), [
    "Sis_superuser\0on\0",
    "Ssession_authorization\0\xc3\xa9\0",
    "Sapplication_name\0psql\0",
    "K\0\0\x01\x02\x01\x02\x03\x04",
    "ZI",
  ]);
  deepEqual(messages.includes("Sclient_encoding\0UTF8\0"), true);
});

Deno.test("greeting calls nobody a superuser who may only look", () => {
  const greeted = { user: "s", admin: false, applicationName: "" };
  const messages = greeting(greeted, { version: "1", pid: 1, secret: new Uint8Array(4) }).map(said);
  deepEqual(messages.includes("Sis_superuser\0off\0"), true);
});

Deno.test("parameterStatus writes UTF-8", () => {
  deepEqual(said(parameterStatus("a", "ü")), "Sa\0\xc3\xbc\0");
});
