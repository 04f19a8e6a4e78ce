import { StatementStore } from "../../src/backend/mod.ts";
import * as frontend from "./frontend.ts";
import { ModelServer } from "./model_server.ts";
import { Rig, type RigOptions, RigServer } from "./rig.ts";

/** One session's machines on one server that answers as PostgreSQL would: what is said, what goes to the server, what is heard. */
export class RelayPlay {
  readonly statements = new StatementStore();
  readonly model: ModelServer;
  readonly server: RigServer;
  readonly rig: Rig;
  /** What went to the server since it was last asked for. */
  #sent: Uint8Array[] = [];

  constructor(options: Partial<Omit<RigOptions, "statements" | "acquire">> = {}) {
    const { statements } = this;
    const renames = options.renames ?? true;
    this.model = new ModelServer({ pooled: renames });
    this.server = new RigServer({ statements });
    this.rig = new Rig({
      ...options,
      statements,
      renames,
      acquire: () => this.server.holder === null ? this.server : null,
    });
  }

  /** Says something, which the server answers; the types of what is heard, with the SQLSTATE of errors. */
  async say(...messages: Uint8Array[]): Promise<string> {
    await this.tell(...messages);
    await this.answer();
    return this.heard();
  }

  /** Says something, which nobody answers yet. */
  async tell(...messages: Uint8Array[]): Promise<void> {
    await this.rig.say(frontend.concat(messages));
  }

  /** The server answers all that it was asked. */
  async answer(): Promise<void> {
    for (;;) {
      const asked = this.server.stream.taken();
      this.#sent.push(asked);
      const bytes = this.model.receive(asked);
      if (bytes.length === 0) return;
      await this.server.say(bytes);
    }
  }

  /** The types of what was heard since the last call. */
  heard(): string {
    return typesOf(this.rig.out.taken());
  }

  /** What went to the server since the last call, as text: type, length and NUL bytes are left out, messages stand apart. */
  sent(): string {
    this.#sent.push(this.server.stream.taken());
    const bytes = frontend.concat(this.#sent.splice(0));
    const messages: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + new DataView(bytes.buffer).getInt32(at + 1);
      const body = new TextDecoder().decode(bytes.subarray(at + 5, end)).replace(/[^\x20-\x7e]+/g, " ")
        .trim();
      messages.push(`${String.fromCharCode(bytes[at]!)}${body === "" ? "" : ` ${body}`}`);
      at = end;
    }
    return messages.join("; ");
  }
}

/** The types of messages, with the SQLSTATE of errors. */
export function typesOf(bytes: Uint8Array): string {
  let types = "";
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
    const type = String.fromCharCode(bytes[at]!);
    const sqlstate = /\0C(\w{5})\0/.exec(new TextDecoder().decode(bytes.subarray(at + 5, end)))?.[1];
    types += type === "E" ? `E${sqlstate} ` : type;
    at = end;
  }
  return types;
}
