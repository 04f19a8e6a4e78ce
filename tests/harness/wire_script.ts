import assert from "node:assert/strict";
import {
  frontend,
  rowsOf,
  WireClient,
  type WireLogin,
  type WireMessage,
  type WireOpenOptions,
  type WireTarget,
} from "./mod.ts";

/** What a client does on one connection, as it is played direct and through pgplex. */
export interface Script {
  /** Part of a sentence: what the client sends. */
  readonly name: string;
  /** Logs in first; what login brings is not part of the transcript. */
  readonly login?: WireLogin;
  /** Sent in one write each. After a `string`, messages are read until one of these types came. */
  readonly steps: readonly (Uint8Array | Uint8Array[] | string | OneByte)[];
  /** After all steps the client half-closes, as the server is not expected to close by itself. */
  readonly leaves?: boolean;
}

/** One byte is read, the answer to an SSLRequest or a GSSENCRequest. */
export const ONE_BYTE = Symbol("one byte");
type OneByte = typeof ONE_BYTE;

/** Plays `script` and returns everything that came, one line for each message, and `closed` at the end. */
export async function play(
  target: WireTarget,
  script: Script,
  options: WireOpenOptions = {},
): Promise<string[]> {
  await using client = script.login === undefined
    ? await WireClient.open(target, options)
    : await WireClient.connect(target, script.login, options);
  const lines: string[] = [];
  try {
    for (const step of script.steps) {
      if (typeof step === "string") lines.push(...(await client.readUntil(step)).map(lineOf));
      else if (step === ONE_BYTE) lines.push(`byte ${await client.readByte()}`);
      else await client.send(...(Array.isArray(step) ? step : [step]));
    }
    if (script.leaves) client.socket.end();
    lines.push(...(await client.closed()).map(lineOf));
    lines.push("closed");
  } catch (thrown) {
    throw new Error(`${script.name}: ${(thrown as Error).message}, after:\n${lines.join("\n")}`, {
      cause: thrown,
    });
  }
  return lines;
}

/** A message as one line without what differs from connection to connection: keys, salts, nonces, places in source. */
export function lineOf(message: WireMessage): string {
  const { fields, auth, negotiated, parameter, status, tag, values } = message;
  if (fields) {
    const kept = ["S", "V", "C", "M", "D", "H"].filter((letter) => letter in fields);
    return `${message.name} ${kept.map((letter) => `${letter}=${fields[letter]}`).join(" ")}`;
  }
  if (auth) return `Authentication ${auth.code}${auth.code === 10 ? ` ${mechanisms(auth.data)}` : ""}`;
  if (negotiated) return `${message.name} ${negotiated.version & 0xffff} ${negotiated.unknown.join(" ")}`;
  if (parameter) return `${message.name} ${parameter.name}=${parameter.value}`;
  if (status) return `${message.name} ${status}`;
  if (tag !== undefined) return `${message.name} ${tag}`;
  if (values) return `${message.name} ${values.join("|")}`;
  if (message.key) return `${message.name} with ${message.key.secret.length} bytes`;
  return message.name;
}

function mechanisms(data: Uint8Array): string {
  return new TextDecoder().decode(data).split("\0").filter((name) => name !== "").join(",");
}

/** An idle session that must not notice what other connections do. */
export class Bystander implements AsyncDisposable {
  readonly #client: WireClient;
  #number = 0;

  private constructor(client: WireClient) {
    this.#client = client;
  }

  static async connect(target: WireTarget, login: WireLogin, options: WireOpenOptions = {}) {
    return new Bystander(await WireClient.connect(target, login, options));
  }

  /** Asserts that nothing but the answer comes to a question asked now. */
  async isUndisturbed(): Promise<void> {
    const messages = await this.#client.query(`SELECT ${++this.#number}`);
    assert.deepEqual(messages.map((message) => message.type).join(""), "TDCZ");
    assert.deepEqual(rowsOf(messages), [[String(this.#number)]]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}

/** A message of `type` whose length word says `length`, whatever follows. */
export function withLengthWord(type: string, length: number, bodyBytes = 0): Uint8Array {
  return frontend.concat([frontend.text(type), frontend.int32(length), new Uint8Array(bodyBytes)]);
}

/** A startup packet, or whatever stands in its place: its length word, then `parts`. */
export function packet(...parts: Uint8Array[]): Uint8Array {
  const body = frontend.concat(parts);
  return frontend.concat([frontend.int32(body.length + 4), body]);
}
