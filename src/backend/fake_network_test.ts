import { KeyCache } from "../auth/mod.ts";
import { concat, SeededRandom, VirtualClock } from "../kernel/mod.ts";
import {
  Back,
  encodeBack,
  encodeBackendKeyData,
  encodeReadyForQuery,
  int32At,
  TxStatus,
} from "../protocol/mod.ts";
import { type Acceptor, BufferPool, type Endpoint, type Network } from "../transport/mod.ts";
import { FakeStream } from "./fake_server_test.ts";
import { StatementStore } from "./statement.ts";
import type { Runtime } from "./runtime.ts";

/** What a server says to a client that it trusts: AuthenticationOk, its key, ReadyForQuery. */
export const GREETING: Readonly<Uint8Array> = concat(
  encodeBack(Back.Authentication, new Uint8Array(4)),
  encodeBackendKeyData(7, Uint8Array.of(1, 2, 3, 4)),
  encodeReadyForQuery(TxStatus.Idle),
);

/** A network whose other end is the test: each connection is a {@link FakeStream}. */
export class FakeNetwork implements Network {
  readonly ioMethod = "runtime";
  /** Every connection so far. */
  readonly streams: FakeStream[] = [];
  /** Whom {@link connect} was to reach, in order. */
  readonly endpoints: Endpoint[] = [];
  /** Connections are refused with this, when set. */
  refusal: Error | null = null;
  /** Called for each new connection, before its owner has it. */
  onConnect: ((stream: FakeStream) => void) | null = null;

  connect(endpoint: Endpoint): Promise<FakeStream> {
    this.endpoints.push(endpoint);
    if (this.refusal !== null) return Promise.reject(this.refusal);
    const stream = new FakeStream();
    this.streams.push(stream);
    this.onConnect?.(stream);
    return Promise.resolve(stream);
  }

  listenTcp(): Promise<Acceptor> {
    throw new Error("nobody listens here");
  }

  listenUnix(): Acceptor {
    throw new Error("nobody listens here");
  }
}

/** What connections run on in a test: a {@link FakeNetwork} and a clock that the test moves. */
export function fakeRuntime(): Runtime & { readonly network: FakeNetwork; readonly clock: VirtualClock } {
  let id = 0;
  return {
    clock: new VirtualClock(),
    random: new SeededRandom(1),
    network: new FakeNetwork(),
    keyCache: new KeyCache(),
    buffers: new BufferPool(),
    statements: new StatementStore(),
    turn: () => Promise.resolve(),
    nextId: () => ++id,
  };
}

/** The SQL of each simple query in what a client wrote, without its NUL. */
export function queriesIn(bytes: Uint8Array): string[] {
  const queries: string[] = [];
  for (let at = 0; at + 5 <= bytes.length; at += 1 + int32At(bytes, at + 1)) {
    const end = at + 1 + int32At(bytes, at + 1);
    if (bytes[at] === 0x51) queries.push(new TextDecoder("latin1").decode(bytes.subarray(at + 5, end - 1)));
  }
  return queries;
}
