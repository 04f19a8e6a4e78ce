import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { Action, CLIENT_ACTIONS, clientMessageMax, SERVER_ACTIONS } from "./dispatch.ts";
import { Back, Front } from "./types.ts";

const { Reject, Pass, Note, Inspect } = Action;

/** Chapter "Message Formats", every one marked F, and what the relay does with it once the client is logged in. */
const CLIENT: readonly (readonly [keyof typeof Front, string, Action])[] = [
  ["Bind", "B", Inspect], // names a statement
  ["Close", "C", Inspect],
  ["CopyData", "d", Note],
  ["CopyDone", "c", Note],
  ["CopyFail", "f", Note],
  ["Describe", "D", Inspect],
  ["Execute", "E", Note],
  ["Flush", "H", Note],
  ["FunctionCall", "F", Note],
  ["Parse", "P", Inspect],
  ["Password", "p", Reject], // only while logging in; "invalid frontend message type 112" afterwards
  ["Query", "Q", Note],
  ["Sync", "S", Note],
  ["Terminate", "X", Note],
];

/** The same for those marked B. */
const SERVER: readonly (readonly [keyof typeof Back, string, Action])[] = [
  ["Authentication", "R", Reject], // only while logging in
  ["BackendKeyData", "K", Reject],
  ["BindComplete", "2", Note],
  ["CloseComplete", "3", Note],
  ["CommandComplete", "C", Inspect], // its tag may say DISCARD ALL
  ["CopyBothResponse", "W", Note],
  ["CopyData", "d", Pass],
  ["CopyDone", "c", Note],
  ["CopyInResponse", "G", Note],
  ["CopyOutResponse", "H", Note],
  ["DataRow", "D", Pass],
  ["EmptyQueryResponse", "I", Note],
  ["ErrorResponse", "E", Inspect],
  ["FunctionCallResponse", "V", Note],
  ["NegotiateProtocolVersion", "v", Reject],
  ["NoData", "n", Note],
  ["NoticeResponse", "N", Note],
  ["NotificationResponse", "A", Inspect],
  ["ParameterDescription", "t", Note],
  ["ParameterStatus", "S", Inspect],
  ["ParseComplete", "1", Note],
  ["PortalSuspended", "s", Note],
  ["ReadyForQuery", "Z", Inspect],
  ["RowDescription", "T", Note],
];

Deno.test("Front and Back name every message of the protocol chapter by its type byte", () => {
  deepEqual(CLIENT.map(([name]) => name).sort(), Object.keys(Front).sort());
  deepEqual(SERVER.map(([name]) => name).sort(), Object.keys(Back).sort());
  for (const [name, type] of CLIENT) equal(Front[name], type.charCodeAt(0), name);
  for (const [name, type] of SERVER) equal(Back[name], type.charCodeAt(0), name);
});

Deno.test("CLIENT_ACTIONS has each type byte in its class, and rejects all others", () => {
  const expected = new Uint8Array(256).fill(Reject);
  for (const [, type, action] of CLIENT) expected[type.charCodeAt(0)] = action;
  deepEqual(CLIENT_ACTIONS, expected);
});

Deno.test("SERVER_ACTIONS has each type byte in its class, and rejects all others", () => {
  const expected = new Uint8Array(256).fill(Reject);
  for (const [, type, action] of SERVER) expected[type.charCodeAt(0)] = action;
  deepEqual(SERVER_ACTIONS, expected);
});

Deno.test("clientMessageMax is PostgreSQL's: large for what carries text or data, ten thousand for the rest", () => {
  const large = "QFBPd"; // PQ_LARGE_MESSAGE_LIMIT in SocketBackend: MaxAllocSize - 1
  for (const [name, type] of CLIENT) {
    equal(clientMessageMax(type.charCodeAt(0)), large.includes(type) ? 0x3ffffffe : 10_000, name);
  }
});
