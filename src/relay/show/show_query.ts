import { bindInternal, executeInternal, Owed, type ServerConnection } from "../../backend/mod.ts";
import {
  binaryFromUtf8,
  type BinaryString,
  encodeError,
  encodeFront,
  encodeNotice,
  encodeSync,
  encodeTextColumn,
  encodeTextRow,
  Front,
} from "../../protocol/mod.ts";
import type { ClientCursor } from "../client_cursor.ts";
import type { Relay } from "../relay.ts";
import { SHOW_COMPLETE } from "./show_portals.ts";
import type { Steering } from "../steering.ts";
import { READY_IDLE } from "../replies.ts";

/** A Describe of the unnamed portal. */
const DESCRIBE_PORTAL: Readonly<Uint8Array> = encodeFront(Front.Describe, new Uint8Array([0x50, 0]));

/** SHOW of an option by a simple query: answered without a lease, or its row asked of the server that is leased. Pure. */
export class ShowQuery {
  readonly #relay: Relay;
  readonly #cursor: ClientCursor;
  readonly #steering: Steering;

  constructor(relay: Relay, cursor: ClientCursor, steering: Steering) {
    this.#relay = relay;
    this.#cursor = cursor;
    this.#steering = steering;
  }

  /**
   * Answers the Query at hand of a session without a lease, if it needs none: a SHOW, or what is in error. Its head is one that may
   * concern pgplex.
   *
   * @returns the place behind its header, 0 when it needs one.
   */
  answer(): number {
    const steering = this.#steering;
    const { bytes, bodyStart, bodyBytes, messageEnd, end } = this.#cursor;
    if (!steering.sees(bodyBytes, end - bodyStart)) return 0;
    const steered = steering.peek(bytes, bodyStart, messageEnd, end);
    if (steered === null || !steering.answersItself(steered)) return 0;
    const { client, names } = this.#relay;
    for (const warning of steered.warnings) client.put(encodeNotice("WARNING", warning));
    if (steered.error !== null) client.put(encodeError("ERROR", steered.error));
    else {
      const { setting, text } = steered.show!;
      client.put(encodeTextColumn(setting));
      client.put(encodeTextRow(binaryFromUtf8(text())));
      client.put(SHOW_COMPLETE as Uint8Array);
    }
    client.put(READY_IDLE);
    names.unnamed.drop();
    this.#relay.counts.answeredHere();
    steering.answered();
    return this.#cursor.drop();
  }

  /** Asks the server for its row, by messages whose tag is not the client's: inside a transaction it alone knows what was SET. */
  ask(server: ServerConnection, sql: BinaryString): void {
    const { out, owed } = server;
    bindInternal(server, sql);
    out.put(DESCRIBE_PORTAL as Uint8Array);
    owed.sent(Owed.Describe);
    executeInternal(server);
    out.put(encodeSync());
    owed.local(Owed.Execute, { done() {}, undo() {}, reply: SHOW_COMPLETE as Uint8Array });
    owed.sent(Owed.Sync);
  }
}
