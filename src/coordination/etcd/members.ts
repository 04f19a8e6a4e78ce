import type { Clock } from "../../kernel/mod.ts";
import type { Answer } from "../../instances/mod.ts";
import type { Library } from "./library.ts";
import { Member, type Stream, type StreamCall } from "./member.ts";
import { MemberChoice } from "./member_choice.ts";
import type { EtcdOptions } from "./options.ts";
import type { Reply } from "./reply.ts";
import type { Shim } from "./shim.ts";

/** How long one member may take, in milliseconds, before the next one is asked. */
export interface Patience {
  /** To accept a connection. */
  readonly connectMs: number;
  readonly answerMs: number;
  /** Whether the call may be sent to another member when it is not known what became of it. */
  readonly mayRepeat: boolean;
  /** What a call comes to of which that is not known in the end. */
  readonly lost: "failed" | "unknown";
}

/** A time of one attempt. */
export interface Limits {
  readonly connectUntilMs: number;
  readonly untilMs: number;
}

/** All members of an etcd, of which one is asked at a time. */
export class Members {
  readonly #endpoints: readonly string[];
  readonly #members: readonly Member[];
  readonly #choice: MemberChoice;
  readonly #clock: Clock;
  readonly #onMember: (endpoint: string, problem: string | null) => void;
  readonly #shim: Shim;
  readonly #failing = new Set<number>();
  #isClosed = false;

  constructor({ etcd, clock, onMember }: EtcdOptions, { library, shim }: { library: Library; shim: Shim }) {
    const { user, password } = etcd;
    this.#endpoints = etcd.endpoints;
    this.#shim = shim;
    this.#clock = clock;
    this.#onMember = onMember ?? (() => {});
    this.#choice = new MemberChoice(etcd.endpoints.length);
    this.#members = etcd.endpoints.map((_, index) =>
      new Member({
        connection: library.connect(shim.addressOf(index)),
        credentials: user === null || password === null ? null : { user, password },
        clock,
        problem: () => shim.problemOf(index),
      })
    );
  }

  /** Asks one member after the other until one answers, at most up to `untilMs`. */
  async ask<T>(
    attempt: (member: Member, limits: Limits) => Promise<Reply<T>>,
    untilMs: number,
    { connectMs, answerMs, mayRepeat, lost }: Patience,
  ): Promise<Answer<T>> {
    let last = "no member was asked in time";
    let isLost = false;
    for (const number of this.#choice.order(this.#clock.exactMs())) {
      const nowMs = this.#clock.exactMs();
      if (nowMs >= untilMs) break;
      const reply = await attempt(this.#members[number]!, {
        connectUntilMs: Math.min(untilMs, nowMs + connectMs),
        untilMs: Math.min(untilMs, nowMs + answerMs),
      });
      if (reply.kind === "answered") {
        this.#good(number);
        return { kind: "done", value: reply.value };
      }
      last = `${this.#endpoints[number]}: ${reply.reason}`;
      if (reply.kind === "refused") {
        this.#good(number);
        return { kind: isLost ? lost : "failed", reason: last };
      }
      this.#failed(number, reply.reason);
      if (reply.kind === "lost") this.#shim.drop(number, nowMs);
      isLost ||= reply.kind === "lost";
      if (isLost && !mayRepeat) break;
    }
    return { kind: isLost ? lost : "failed", reason: last };
  }

  /** Opens a stream to the first member that takes it; null: none does. `silent` says that it has said nothing for so long. */
  async open(
    { connectMs, ...call }: Omit<StreamCall, "connectUntilMs"> & { readonly connectMs: number },
  ): Promise<{ readonly stream: Stream; readonly silent: (ms: number) => void } | null> {
    for (const number of this.#choice.order(this.#clock.exactMs())) {
      const failed = (problem: string) => this.#failed(number, problem);
      const reply = await this.#members[number]!.open({
        ...call,
        connectUntilMs: this.#clock.exactMs() + connectMs,
        ended: (reply) => {
          if (reply.kind === "lost") failed(reply.reason);
          call.ended(reply);
        },
      });
      const silent = (ms: number) => {
        failed("a stream was silent");
        this.#shim.drop(number, this.#clock.exactMs() - ms);
      };
      if (reply.kind === "answered") return { stream: reply.value, silent };
      if (reply.kind === "refused") return null;
      failed(reply.reason);
    }
    return null;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#members.map((member) => member.close()));
  }

  #good(number: number): void {
    this.#choice.good(number);
    if (this.#failing.delete(number)) this.#onMember(this.#endpoints[number]!, null);
  }

  #failed(number: number, problem: string): void {
    if (this.#isClosed) return;
    this.#choice.failed(number, this.#clock.exactMs());
    if (this.#failing.has(number)) return;
    this.#failing.add(number);
    this.#onMember(this.#endpoints[number]!, problem);
  }
}
