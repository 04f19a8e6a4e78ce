import type { ClientDuplexStream, Metadata, ServiceError } from "@grpc/grpc-js";
import type { Clock } from "../../kernel/mod.ts";
import { reasonOf } from "./dial.ts";
import type { EtcdCredentials } from "./options.ts";
import {
  type Connection,
  READY,
  type Service,
  type ServiceClient,
  TRANSIENT_FAILURE,
  type UnaryMethod,
} from "./library.ts";
import { isAboutToken, type Reply, replyOf } from "./reply.ts";
import { Token } from "./token.ts";

/** gRPC's own limit of a call comes first; this one is for the case that it does not. */
const LATE_MS = 200;

/** A call with one answer. */
export interface Call {
  readonly service: Service;
  readonly method: UnaryMethod;
  readonly request: object;
  /** Up to when the member must have accepted a connection. */
  readonly connectUntilMs: number;
  readonly untilMs: number;
}

/** A stream that was opened. */
export interface Stream {
  send(request: object): void;
  /** Ends it at once; {@link StreamCall.ended} is not called any more. */
  end(): void;
}

/** A stream of changes, without an end of its own. */
export interface StreamCall {
  readonly connectUntilMs: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly received: (response: unknown) => void;
  /** It is over, by the member or on the way. */
  readonly ended: (reply: Reply<never>) => void;
}

/** What a {@link Member} needs. */
export interface MemberParts {
  readonly connection: Connection;
  readonly credentials: EtcdCredentials | null;
  readonly clock: Clock;
  /** Why the last connection to it failed, where that is known. */
  readonly problem: () => string | null;
}

/**
 * One member of an etcd: calls to it, each sent once and bounded in time. A call that the member refuses because of its token is the one that
 * is sent again: etcd looks at the token before anything else, and it was not done.
 */
export class Member {
  readonly #parts: MemberParts;
  readonly #token: Token | null;
  /** What ends each call and stream that is under way. */
  readonly #open = new Set<() => void>();
  #isClosed = false;

  constructor(parts: MemberParts) {
    this.#parts = parts;
    this.#token = parts.credentials === null ? null : new Token(parts.credentials, {
      authenticate: (request, untilMs) =>
        this.#sent(
          { service: "Auth", method: "authenticate", request, connectUntilMs: untilMs, untilMs },
          null,
        ),
    });
  }

  /** Sends a call, and again where another token is needed. Never rejects. */
  async call<T>(call: Call): Promise<Reply<T>> {
    for (let tries = 1;; tries++) {
      const token = await this.#tokenFor(call);
      if (token.kind !== "answered") return token;
      const reply = await this.#sent<T>(call, token.value);
      if (this.#token === null || tries > 1 || reply.kind !== "refused" || !isAboutToken(reply)) return reply;
      this.#token.drop(token.value);
    }
  }

  /** Opens a stream. Its end is told once, unless the caller ends it. */
  async open(call: StreamCall): Promise<Reply<Stream>> {
    const untilMs = call.connectUntilMs;
    const token = await this.#tokenFor({ ...call, untilMs });
    if (token.kind !== "answered") return token;
    const ready = await this.#ready("Watch", untilMs);
    if (ready.kind !== "answered") return ready;
    const { client, metadata } = ready.value;
    const headers = withToken(metadata, token.value);
    for (const [name, value] of Object.entries(call.metadata ?? {})) headers.set(name, value);
    let stream: ClientDuplexStream<object, unknown>;
    try {
      stream = client.watch(headers, {});
    } catch (error) {
      return unsent(reasonOf(error));
    }
    let isOver = false;
    const over = (reply: Reply<never> | null) => {
      if (isOver) return;
      isOver = true;
      this.#open.delete(cancel);
      if (reply?.kind === "refused" && isAboutToken(reply)) this.#token?.drop(token.value);
      if (reply !== null) call.ended(reply);
    };
    const cancel = () => {
      over({ kind: "lost", reason: "the store is closed", code: null });
      stream.cancel();
    };
    this.#open.add(cancel);
    stream.on("data", (response) => {
      if (!isOver) call.received(response);
    });
    // Stays for as long as the stream is there: an error that nobody hears ends the process.
    stream.on("error", (error: ServiceError) => over(replyOf(error)));
    stream.on("end", () => over({ kind: "lost", reason: "the member ended the stream", code: null }));
    return {
      kind: "answered",
      value: {
        send: (request) => {
          if (!isOver) stream.write(request);
        },
        end: () => {
          over(null);
          stream.cancel();
        },
      },
    };
  }

  /** Ends what is under way: its answer is `lost`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const end of [...this.#open]) end();
    await this.#parts.connection.close();
  }

  /** The token to send; empty for none. */
  async #tokenFor({ untilMs }: { readonly untilMs: number }): Promise<Reply<string>> {
    return this.#token === null ? { kind: "answered", value: "" } : await this.#token.get(untilMs);
  }

  async #sent<T>(call: Call, token: string | null): Promise<Reply<T>> {
    const { clock } = this.#parts;
    const ready = await this.#ready(call.service, Math.min(call.connectUntilMs, call.untilMs));
    if (ready.kind !== "answered") return ready;
    const { client, metadata } = ready.value;
    const { promise, resolve } = Promise.withResolvers<Reply<T>>();
    const leftMs = Math.max(1, call.untilMs - clock.exactMs());
    const headers = withToken(metadata, token ?? "");
    try {
      const sent = client[call.method](
        call.request,
        headers,
        { deadline: clock.wallMs() + leftMs },
        (error, value) => resolve(error === null ? { kind: "answered", value: value as T } : replyOf(error)),
      );
      const cancel = (reason: string) => {
        resolve({ kind: "lost", reason, code: null });
        sent.cancel();
      };
      const close = () => cancel("the store is closed");
      this.#open.add(close);
      const timer = clock.after(leftMs + LATE_MS, () => cancel("no answer in time"));
      const reply = await promise;
      timer.cancel();
      this.#open.delete(close);
      return reply;
    } catch (error) {
      return unsent(reasonOf(error));
    }
  }

  /** A client of the member that is connected, or why there is none up to `untilMs`: then nothing was sent. */
  async #ready(
    service: Service,
    untilMs: number,
  ): Promise<Reply<{ readonly client: ServiceClient; readonly metadata: Metadata }>> {
    const { clock, connection, problem } = this.#parts;
    if (this.#isClosed) return unsent("the store is closed");
    try {
      const held = await connection.service(service);
      const channel = held.client.getChannel();
      let isTried = false;
      for (;;) {
        if (this.#isClosed) return unsent("the store is closed");
        const state = channel.getConnectivityState(true);
        if (state === READY) return { kind: "answered", value: held };
        const leftMs = untilMs - clock.exactMs();
        if (leftMs <= 0) return unsent(problem() ?? "no connection in time");
        if (state === TRANSIENT_FAILURE && isTried) return unsent(problem() ?? "no connection");
        isTried = true;
        await changed(channel, state, clock.wallMs() + leftMs);
      }
    } catch (error) {
      return unsent(reasonOf(error));
    }
  }
}

/** Settles when the state of a channel is another one than `state`, or at the deadline. */
function changed(
  channel: ReturnType<ServiceClient["getChannel"]>,
  state: number,
  deadline: number,
): Promise<void> {
  return new Promise((resolve) => channel.watchConnectivityState(state, deadline, () => resolve()));
}

function withToken(metadata: Metadata, token: string): Metadata {
  const headers = metadata.clone();
  if (token !== "") headers.set("token", token);
  return headers;
}

function unsent(reason: string): Reply<never> & { kind: "unsent" } {
  return { kind: "unsent", reason };
}
