import { Buffer } from "node:buffer";
import { isDeepStrictEqual } from "node:util";
import type { BackendMessage, RowDescriptionMessage } from "pg-protocol/dist/messages.js";
import { Parser } from "pg-protocol/dist/parser.js";
import type { WireMessage } from "./backend_messages.ts";

/** How pg-protocol calls the messages that it knows: it has no FunctionCallResponse (V) and no NegotiateProtocolVersion (v). */
const NAMES: Readonly<Record<string, string>> = {
  "1": "parseComplete",
  "2": "bindComplete",
  "3": "closeComplete",
  A: "notification",
  C: "commandComplete",
  D: "dataRow",
  E: "error",
  G: "copyInResponse",
  H: "copyOutResponse",
  I: "emptyQuery",
  K: "backendKeyData",
  N: "notice",
  S: "parameterStatus",
  T: "rowDescription",
  W: "replicationStart",
  Z: "readyForQuery",
  c: "copyDone",
  d: "copyData",
  n: "noData",
  s: "portalSuspended",
  t: "parameterDescription",
};

/** The same of the authentication requests, by their code: it knows neither GSSAPI nor SSPI. */
const AUTH_NAMES: Readonly<Record<number, string>> = {
  0: "authenticationOk",
  3: "authenticationCleartextPassword",
  5: "authenticationMD5Password",
  10: "authenticationSASL",
  11: "authenticationSASLContinue",
  12: "authenticationSASLFinal",
};

/** The same of the fields of an error: it drops the severity that is not translated (V). */
const ERROR_FIELDS = {
  S: "severity",
  C: "code",
  M: "message",
  D: "detail",
  H: "hint",
  P: "position",
  p: "internalPosition",
  q: "internalQuery",
  W: "where",
  s: "schema",
  t: "table",
  c: "column",
  d: "dataType",
  n: "constraint",
  F: "file",
  L: "line",
  R: "routine",
} as const;

/**
 * Has npm:pg-protocol, the decoder of node-postgres, read the bytes of `ours` as well, and compares. It was written by others, so that
 * it does not share our mistakes.
 *
 * What it does not decode is left to our decoder alone: the types and fields that are missing above, and a key's bytes behind the first
 * four (protocol 3.2). A broken message does not come here: our decoder has thrown.
 *
 * @throws {Error} where it cannot read the message, or reads something else
 */
export function readAgain(ours: WireMessage): void {
  const name = ours.auth ? AUTH_NAMES[ours.auth.code] : NAMES[ours.type];
  if (name === undefined) return;
  const theirs = parsed(ours);
  for (const [key, value] of Object.entries({ name, ...expected(ours) })) {
    if (isDeepStrictEqual(value, theirs[key])) continue;
    const [mine, other] = [JSON.stringify(value), JSON.stringify(theirs[key])];
    throw new Error(`${ours.name}: its ${key} is ${mine} to the harness, ${other} to pg-protocol`);
  }
}

/** The bytes of a message through pg-protocol, which must find one message in them; of fields the names alone, as ours has no more. */
function parsed({ type, name, body }: WireMessage): Record<string, unknown> {
  const frame = Buffer.alloc(5 + body.length);
  frame.write(type, "latin1");
  frame.writeInt32BE(4 + body.length, 1);
  frame.set(body, 5);
  const found: BackendMessage[] = [];
  try {
    new Parser().parse(frame, (message) => found.push(message));
  } catch (cause) {
    throw new Error(`${name}: pg-protocol cannot read it`, { cause });
  }
  if (found.length !== 1) throw new Error(`${name}: pg-protocol finds ${found.length} messages in it`);
  const [message] = found as [BackendMessage];
  if (message.name !== "rowDescription") return message as unknown as Record<string, unknown>;
  return { name: message.name, columns: (message as RowDescriptionMessage).fields.map(({ name }) => name) };
}

/** What pg-protocol must read, by its names, where our decoder is right. */
function expected(ours: WireMessage): Record<string, unknown> {
  const { type, body } = ours;
  switch (type) {
    case "A": {
      const { pid, channel, payload } = ours.notification!;
      return { processId: pid, channel, payload };
    }
    case "C":
      return { text: ours.tag };
    case "D":
      return { fields: ours.values };
    case "E":
      // An Error of JavaScript that is given no message has an empty one.
      return { ...expectedFields(ours), message: ours.fields!["M"] ?? "" };
    case "N":
      return expectedFields(ours);
    case "K": {
      const { pid, secret } = ours.key!;
      return { processID: pid, secretKey: Buffer.from(secret).readInt32BE() };
    }
    case "R":
      return expectedOfAuth(ours.auth!);
    case "S":
      return { parameterName: ours.parameter!.name, parameterValue: ours.parameter!.value };
    case "T":
      return { columns: ours.columns };
    case "Z":
      return { status: ours.status };
    case "d":
      return { chunk: Buffer.from(body) };
    case "t":
      return { dataTypeIDs: ours.types };
    default:
      return {};
  }
}

function expectedFields({ fields }: WireMessage): Record<string, unknown> {
  return Object.fromEntries(Object.entries(ERROR_FIELDS).map(([letter, name]) => [name, fields![letter]]));
}

function expectedOfAuth({ code, data }: NonNullable<WireMessage["auth"]>): Record<string, unknown> {
  const text = new TextDecoder().decode(data);
  switch (code) {
    case 5:
      return { salt: Buffer.from(data) };
    case 10:
      return { mechanisms: text.split("\0").filter((mechanism) => mechanism !== "") };
    case 11:
    case 12:
      return { data: text };
    default:
      return {};
  }
}
