import type { StatementStore } from "../../backend/mod.ts";
import {
  Back,
  binaryFromUtf8,
  type BinaryString,
  binaryString,
  encodeBack,
  encodeError,
  encodeNotice,
  encodeTextColumn,
  encodeTextRow,
  findNul,
  Front,
  int32At,
  putBinary,
  sqlFingerprint,
  uint16At,
} from "../../protocol/mod.ts";
import { type ClientCursor, LOOK_BYTES_MAX } from "../client_cursor.ts";
import type { ShownOption } from "../../options/mod.ts";
import type { Relay } from "../relay.ts";
import { SHOW_COMPLETE } from "./show_portals.ts";
import { orderOf, type Steered, type Steering } from "../steering.ts";
import { CLOSE_COMPLETE, READY_IDLE } from "../replies.ts";

const empty = (type: number): Readonly<Uint8Array> => encodeBack(type, new Uint8Array(0));
const PARSE_COMPLETE = empty(Back.ParseComplete);
const BIND_COMPLETE = empty(Back.BindComplete);
const PORTAL_SUSPENDED = empty(Back.PortalSuspended);
const NO_PARAMETERS: Readonly<Uint8Array> = encodeBack(Back.ParameterDescription, new Uint8Array(2));

/** What a message of the batch is: answered here, the batch's end, or nothing that can be answered here. */
const Look = { Here: 0, End: 1, Server: 2 } as const;

interface Portal {
  readonly show: ShownOption;
  /** 0 for text, 1 for binary. */
  readonly format: number;
  /** Its row has been asked for. */
  sent: boolean;
}

/** What a session's batches are looked at with. */
export interface ShowBatchParts {
  readonly store: StatementStore;
  readonly cursor: ClientCursor;
  readonly steering: Steering;
  /** Takes a statement's name away, and answers the client. */
  readonly closeStatement: (name: BinaryString) => void;
}

/**
 * Batches of the extended protocol that are about nothing but SHOW of options, of a session without a lease: pgplex answers
 * them itself, each as a whole, or leaves them alone. Transaction pooling only: in session pooling names are the server's. Pure.
 *
 * A batch is what lies before Sync, or before a Flush at which no portal is open. What has not come yet may be waited for, as no
 * client expects an answer before either.
 */
export class ShowBatch {
  readonly #relay: Relay;
  readonly #parts: ShowBatchParts;

  constructor(relay: Relay, parts: ShowBatchParts) {
    this.#relay = relay;
    this.#parts = parts;
  }

  /**
   * Takes the batch whose first message is at hand.
   *
   * @returns the place behind it, -1 when more of it must come first, 0 when it needs a server.
   */
  take(): number {
    const { cursor, steering } = this.#parts;
    const { bytes, at, end } = cursor;
    if (!this.#relay.renames || !steering.optionsKnown) return 0;
    const plan = new Plan(this.#relay, this.#parts, bytes);
    for (let next = at;;) {
      const length = next + 5 > end ? 4 : int32At(bytes, next + 1);
      const messageEnd = next + 1 + length;
      if (length < 4 || messageEnd - at > LOOK_BYTES_MAX) return 0;
      if (messageEnd > end) return cursor.want(messageEnd - at);
      const look = plan.look(next, messageEnd);
      if (look === Look.Server) return 0;
      next = messageEnd;
      if (look === Look.Here) continue;
      for (const action of plan.actions) action();
      steering.answered();
      return cursor.dropTo(next);
    }
  }
}

/** One batch as it is read: nothing is done before all of it is known. */
class Plan {
  readonly actions: (() => void)[] = [];
  readonly #relay: Relay;
  readonly #parts: ShowBatchParts;
  /** What the batch has made of names: a SHOW, or nothing any more. */
  readonly #statements = new Map<BinaryString, ShownOption | null>();
  readonly #portals = new Map<BinaryString, Portal>();
  /** The batch has failed: what stands behind is skipped up to Sync. */
  #failed = false;
  readonly #bytes: Uint8Array;
  /** Where the message lies that is looked at. */
  #at = 0;
  #end = 0;

  constructor(relay: Relay, parts: ShowBatchParts, bytes: Uint8Array) {
    this.#relay = relay;
    this.#parts = parts;
    this.#bytes = bytes;
  }

  /** Looks at the complete message from `at` to `end`. */
  look(at: number, end: number): number {
    this.#at = at;
    this.#end = end;
    const type = this.#bytes[at]!;
    if (type === Front.Sync && end - at === 5) return this.#sync();
    if (this.#failed) {
      return type === Front.Flush || !"PBDEC".includes(String.fromCharCode(type)) ? Look.Server : Look.Here;
    }
    switch (type) {
      case Front.Parse:
        return this.#parse();
      case Front.Bind:
        return this.#bind();
      case Front.Describe:
        return this.#describe();
      case Front.Execute:
        return this.#execute();
      case Front.Close:
        return this.#close();
      case Front.Flush:
        return end - at === 5 && this.#portals.size === 0 ? Look.End : Look.Server;
      default:
        return Look.Server;
    }
  }

  #put(message: Readonly<Uint8Array>): number {
    this.actions.push(() => this.#relay.client.put(message as Uint8Array));
    return Look.Here;
  }

  #sync(): number {
    this.#put(READY_IDLE);
    this.actions.push(() => this.#relay.counts.answeredHere());
    return Look.End;
  }

  /** The SHOW that has this name; null where it is another statement, or none. */
  #showOf(name: BinaryString): ShownOption | null {
    const { names } = this.#relay;
    const made = this.#statements.get(name);
    if (made !== undefined) return made;
    // A directive for the transaction says something of what stands behind it.
    if (name === "" ? names.unnamed.body === null : names.findName(name) === null) return null;
    const order = names.orderOf(name);
    return order === null || order.changes.some((change) => change.forTransaction === true)
      ? null
      : order.show;
  }

  #parse(): number {
    const bytes = this.#bytes;
    const [at, end] = [this.#at, this.#end];
    const nameEnd = findNul(bytes, at + 5, end);
    const textEnd = nameEnd < 0 ? -1 : findNul(bytes, nameEnd + 1, end);
    // No types of parameters: SHOW takes none.
    if (textEnd < 0 || end !== textEnd + 3 || bytes[end - 2] !== 0 || bytes[end - 1] !== 0) {
      return Look.Server;
    }
    const { names } = this.#relay;
    const { steering } = this.#parts;
    const name = this.#relay.encoding.statementName(bytes, at + 5, nameEnd);
    const taken = this.#statements.get(name);
    const free = taken === undefined ? names.findName(name) === null : taken === null;
    if (name !== "" && (!free || this.#relay.sql.mayBe(name))) return Look.Server;
    const steered = steering.peek(bytes, nameEnd + 1, textEnd + 1, end);
    if (steered === null || !steering.answersItself(steered) || steered.transaction.length > 0) {
      return Look.Server;
    }
    for (const warning of steered.warnings) this.#put(encodeNotice("WARNING", warning));
    if (steered.error !== null) {
      this.#failed = true;
      if (name === "") this.actions.push(() => names.unnamed.drop());
      return this.#put(encodeError("ERROR", steered.error));
    }
    this.#statements.set(name, steered.show);
    this.actions.push(() => this.#make(name, steered));
    return this.#put(PARSE_COMPLETE);
  }

  /** Makes a statement of the session's, which servers are given as any other. */
  #make(name: BinaryString, steered: Steered): void {
    const { names, watch } = this.#relay;
    const definition = `${steered.text!}\0\0\0`;
    const bytes = new Uint8Array(definition.length);
    putBinary(bytes, 0, definition);
    const fingerprint = watch.look(bytes, 0, bytes.length - 3);
    this.#relay.attention.begin();
    if (name !== "") {
      const statement = this.#parts.store.use(definition);
      if (statement.hash === 0) {
        statement.hash = sqlFingerprint(bytes, 0, bytes.length - 3, watch.backslashes);
      }
      names.set(name, statement, { order: orderOf(steered) });
      return;
    }
    names.unnamed.begin(1 + bytes.length, fingerprint, orderOf(steered));
    names.unnamed.record(new Uint8Array(1), 0, 1);
    names.unnamed.record(bytes, 0, bytes.length);
  }

  #bind(): number {
    const bytes = this.#bytes;
    const [at, end] = [this.#at, this.#end];
    const portalEnd = findNul(bytes, at + 5, end);
    const nameEnd = portalEnd < 0 ? -1 : findNul(bytes, portalEnd + 1, end);
    if (nameEnd < 0) return Look.Server;
    const portal = binaryString(bytes, at + 5, portalEnd);
    const show = this.#showOf(this.#relay.encoding.statementName(bytes, portalEnd + 1, nameEnd));
    if (show === null || (portal !== "" && this.#portals.has(portal))) return Look.Server;
    // Behind the names: no formats, no values, at most one format of the result.
    const formats = end === nameEnd + 1 + 6 ? 0 : end === nameEnd + 1 + 8 ? 1 : -1;
    if (formats < 0 || int32At(bytes, nameEnd + 1) !== 0 || uint16At(bytes, nameEnd + 5) !== formats) {
      return Look.Server;
    }
    const format = formats === 0 ? 0 : uint16At(bytes, nameEnd + 7);
    if (format > 1) return Look.Server;
    this.#portals.set(portal, { show, format, sent: false });
    return this.#put(BIND_COMPLETE);
  }

  #describe(): number {
    const [kind, name] = this.#kindAndName();
    if (kind === "S") {
      const show = this.#showOf(name);
      if (show === null) return Look.Server;
      this.#put(NO_PARAMETERS);
      return this.#put(encodeTextColumn(show.setting));
    }
    const portal = kind === "P" ? this.#portals.get(name) : undefined;
    return portal === undefined
      ? Look.Server
      : this.#put(encodeTextColumn(portal.show.setting, portal.format));
  }

  #execute(): number {
    const bytes = this.#bytes;
    const [at, end] = [this.#at, this.#end];
    const nameEnd = findNul(bytes, at + 5, end);
    const portal = nameEnd < 0 ? undefined : this.#portals.get(binaryString(bytes, at + 5, nameEnd));
    if (portal === undefined || end !== nameEnd + 5) return Look.Server;
    const { show } = portal;
    const suspends = !portal.sent && int32At(bytes, nameEnd + 1) === 1;
    if (!portal.sent) {
      this.actions.push(() => this.#relay.client.put(encodeTextRow(binaryFromUtf8(show.text()))));
    }
    portal.sent = true;
    return this.#put(suspends ? PORTAL_SUSPENDED : SHOW_COMPLETE);
  }

  #close(): number {
    const [kind, name] = this.#kindAndName();
    if (kind === "P") {
      this.#portals.delete(name);
      return this.#put(CLOSE_COMPLETE);
    }
    const key = this.#relay.encoding.statementName(this.#bytes, this.#at + 6, this.#end - 1);
    if (kind !== "S" || this.#relay.sql.mayBe(key)) return Look.Server;
    this.#statements.set(key, null);
    this.actions.push(() => this.#parts.closeStatement(key));
    return Look.Here;
  }

  /** What the Describe or Close is about; "" where it is malformed. */
  #kindAndName(): readonly [kind: string, name: BinaryString] {
    const bytes = this.#bytes;
    const [at, end] = [this.#at, this.#end];
    if (end - at < 7 || findNul(bytes, at + 6, end) !== end - 1) return ["", ""];
    return [String.fromCharCode(bytes[at + 5]!), binaryString(bytes, at + 6, end - 1)];
  }
}
