import { FakeStream } from "../backend/fake_server_test.ts";
import { GREETING, queriesIn } from "../backend/fake_network_test.ts";
import { concat, type PgplexError } from "../kernel/mod.ts";
import {
  Back,
  binaryFromUtf8,
  encodeBack,
  encodeCommandComplete,
  encodeReadyForQuery,
  putBinary,
  putInt32,
  TxStatus,
} from "../protocol/mod.ts";
import { ClientSink } from "../relay/client_sink.ts";
import type { ChannelLender, Relay } from "../relay/mod.ts";
import { BufferPool, Outbox } from "../transport/mod.ts";
import type { ListenerMember } from "./listener_members.ts";
import type { NotificationsHost } from "./session_notifications.ts";
import type { SharedListener } from "./shared_listener.ts";

/** What a server answers to a statement without rows. */
export const DONE: Uint8Array = concat(encodeCommandComplete("OK"), encodeReadyForQuery(TxStatus.Idle));

/** The channel of {@link FakeListener}'s markers. */
export const MARKER: string = `pgplex_${"0".repeat(32)}`;

/** A NotificationResponse. */
export function notification(channel: string, payload: string, pid = 99): Uint8Array {
  const text = binaryFromUtf8(`${channel}\0${payload}\0`);
  const body = new Uint8Array(4 + text.length);
  putInt32(body, 0, pid);
  putBinary(body, 4, text);
  return encodeBack(Back.NotificationResponse, body);
}

/** The payloads of the notifications in what a client got, and `(type)` for anything else. */
export function payloadsIn(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const payloads: string[] = [];
  for (let at = 0; at < bytes.length; at += 1 + view.getInt32(at + 1)) {
    const body = bytes.subarray(at + 9, at + 1 + view.getInt32(at + 1));
    const type = String.fromCharCode(bytes[at]!);
    payloads.push(type === "A" ? new TextDecoder().decode(body).split("\0")[1]! : `(${type})`);
  }
  return payloads;
}

/** Has a server answer each simple query with {@link DONE}, after a greeting where it has none, and writes them down. */
export function answerAll(stream: FakeStream, { greeted = true, queries = [] as string[] } = {}): string[] {
  stream.onWrite = (bytes) => {
    if (!greeted) {
      greeted = true;
      stream.say(GREETING as Uint8Array);
      return;
    }
    for (const query of queriesIn(bytes)) {
      queries.push(query);
      stream.say(DONE);
    }
  };
  return queries;
}

/** A shared listener that does what the test says, and writes down what it is asked for. */
export class FakeListener {
  readonly marker = MARKER;
  encoding = "UTF8";
  up = true;
  state = "up";
  /** What {@link listen} says while it is up. */
  listens = true;
  /** Whether a marker that has to come does. */
  marks = true;
  /** Calls, with serials and channels, since the last {@link taken}. */
  readonly calls: string[] = [];
  #serial = 0;
  #member: ListenerMember | null = null;

  /** This, where the real one is asked for. */
  get shared(): SharedListener {
    return this as unknown as SharedListener;
  }

  taken(): string[] {
    return this.calls.splice(0);
  }

  nextSerial(): number {
    return ++this.#serial;
  }

  ready(): Promise<boolean> {
    return Promise.resolve(this.up);
  }

  listen(_member: unknown, channels: ReadonlySet<string>): Promise<boolean> {
    this.calls.push(`listen ${[...channels]}`);
    return Promise.resolve(this.up && this.listens);
  }

  retain(_member: unknown, keep: ReadonlySet<string>): void {
    this.calls.push(`retain ${[...keep]}`);
  }

  expect(serial: number, member: ListenerMember): void {
    this.#member = member;
    this.calls.push(`expect ${serial}`);
  }

  /** The marker comes. */
  marked(serial: number): void {
    this.#member!.subscription.sharedMarker(serial);
    this.#member!.sharedCut(serial);
  }

  unexpect(serial: number): void {
    if (serial > 0) this.calls.push(`unexpect ${serial}`);
  }

  await(serial: number): void {
    this.calls.push(`await ${serial}`);
    if (this.marks) void Promise.resolve().then(() => this.marked(serial));
  }

  mark(serial: number, member: ListenerMember): void {
    this.#member = member;
    this.calls.push(`mark ${serial}`);
  }

  leave(): void {
    this.calls.push("leave");
  }

  wish(): void {
    this.calls.push("wish");
  }
}

/** What a session's part of LISTEN needs of it: a client whose socket the test reads, and a relay that may be busy. */
export class FakeSession implements NotificationsHost {
  readonly pid = 4242;
  readonly stream = new FakeStream();
  readonly out = new Outbox(this.stream, new BufferPool());
  readonly relay: Relay;
  /** Whether the relay is busy, as the test says. */
  readonly progress = { quiet: true, batchSent: false };
  /** What was asked of the session. */
  readonly events: string[] = [];

  constructor() {
    const { progress } = this;
    const preamble = {
      lender: null as ChannelLender | null,
      lendBy: (lender: ChannelLender) => preamble.lender = lender,
    };
    this.relay = { client: new ClientSink(this.out), progress, preamble } as unknown as Relay;
  }

  lookAgain(): void {
    this.events.push("look again");
  }

  overflowed(): void {
    this.events.push("overflowed");
  }

  end(error: PgplexError): void {
    this.events.push(`end ${error.code}`);
  }

  /** What the client got since the last call. */
  async got(): Promise<string[]> {
    await this.out.flush();
    return payloadsIn(this.stream.taken());
  }
}
