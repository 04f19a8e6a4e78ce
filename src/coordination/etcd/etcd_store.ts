import { parseEndpoint } from "../../config/mod.ts";
import type { Clock } from "../../kernel/mod.ts";
import type { Answer, Change, Committed, Condition, KeyStore, Listing } from "../../instances/mod.ts";
import { reasonOf, type Upstream } from "./dial.ts";
import { Library } from "./library.ts";
import { Members, type Patience } from "./members.ts";
import { Keys, type RangeResponse, type TxnResponse } from "./messages.ts";
import type { EtcdOptions } from "./options.ts";
import { Shim } from "./shim.ts";
import { Watch } from "./watch.ts";

/** The longest that a call takes. */
const CALL_MS = 2_000;
/** Up to then members are asked; the rest is for what comes late. */
const ASK_MS = 1_700;

/** etcd elects another leader within 1 to 2 s of its first one's loss: a write that meets that may still be done. */
const WRITE: Patience = { connectMs: 500, answerMs: 1_500, mayRepeat: false, lost: "unknown" };
const READ: Patience = { connectMs: 500, answerMs: 800, mayRepeat: true, lost: "failed" };
/** At a time: an instance has a handful. */
const CALLS_MAX = 256;

/**
 * A {@link KeyStore} in etcd, by npm:etcd3 behind a {@link Shim}. It decides nothing: which member is asked, and for how long, is `members.ts`;
 * what is known of a watched prefix is `following.ts`.
 */
export class EtcdStore implements KeyStore {
  readonly callTimeoutMs = CALL_MS;
  readonly #clock: Clock;
  readonly #keys: Keys;
  readonly #members: Members;
  readonly #shim: Shim;
  readonly #watches = new Set<Watch>();
  #calls = 0;
  #isClosed = false;
  #closing: Promise<void> | null = null;

  private constructor({ etcd, clock }: EtcdOptions, { members, shim }: { members: Members; shim: Shim }) {
    this.#clock = clock;
    this.#keys = new Keys(etcd.prefix);
    this.#members = members;
    this.#shim = shim;
  }

  /**
   * Makes what is needed to talk to etcd; no member has to be there.
   *
   * @throws Error when no unix sockets can be made in the folder for temporary files
   */
  static async open(options: EtcdOptions): Promise<EtcdStore> {
    const library = await Library.load(options.clock);
    const shim = await Shim.open(upstreamsOf(options.etcd), options.clock);
    return new EtcdStore(options, { members: new Members(options, { library, shim }), shim });
  }

  commit(
    conditions: readonly Condition[],
    changes: readonly Change[],
    keys: readonly string[] = [],
    prefix?: string,
  ): Promise<Answer<Committed>> {
    const request = this.#keys.txn(conditions, changes, keys, prefix);
    const isRead = changes.length === 0;
    return this.#bounded(isRead ? READ : WRITE, async (patience, untilMs) => {
      const answer = await this.#members.ask(
        (member, limits) => member.call<TxnResponse>({ service: "KV", method: "txn", request, ...limits }),
        untilMs,
        patience,
      );
      return mapped(answer, (response) => ({
        isWritten: response.succeeded,
        revision: Number(response.header.revision),
        ...this.#keys.readIn(response, keys.length, prefix),
      }));
    });
  }

  list(prefix: string): Promise<Answer<Listing>> {
    const request = this.#keys.range(prefix);
    return this.#bounded(READ, async (patience, untilMs) => {
      const answer = await this.#members.ask(
        (member, limits) =>
          member.call<RangeResponse>({ service: "KV", method: "range", request, ...limits }),
        untilMs,
        patience,
      );
      return mapped(answer, ({ header, kvs }) => ({
        revision: Number(header.revision),
        entries: this.#keys.entriesOf(kvs),
      }));
    });
  }

  watch(prefix: string, changed: (listing: Listing) => void): () => void {
    if (this.#isClosed) return () => {};
    const watch = new Watch({
      prefix,
      keys: this.#keys,
      clock: this.#clock,
      members: this.#members,
      list: () => this.list(prefix),
      changed,
    });
    this.#watches.add(watch);
    watch.ended.finally(() => this.#watches.delete(watch));
    return () => watch.end();
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    const watches = [...this.#watches];
    for (const watch of watches) watch.end();
    await Promise.all([this.#members.close(), ...watches.map(({ ended }) => ended)]);
    await this.#shim.close();
  }

  /** Runs a call, and answers for it where it has not answered in its time, whatever it hangs on. */
  async #bounded<T>(
    patience: Patience,
    run: (patience: Patience, untilMs: number) => Promise<Answer<T>>,
  ): Promise<Answer<T>> {
    if (this.#isClosed) return { kind: "failed", reason: "the store is closed" };
    if (this.#calls >= CALLS_MAX) return { kind: "failed", reason: "too many calls are under way" };
    const { promise, resolve } = Promise.withResolvers<Answer<T>>();
    const wrong = (reason: string): Answer<T> => ({ kind: patience.lost, reason });
    const timer = this.#clock.after(CALL_MS, () => resolve(wrong("no answer in time")));
    this.#calls++;
    for (const watch of this.#watches) watch.beside();
    run(patience, this.#clock.exactMs() + ASK_MS)
      .then(resolve, (error) => resolve(wrong(reasonOf(error))))
      .finally(() => this.#calls--);
    const answer = await promise;
    timer.cancel();
    return answer;
  }
}

/** How the shim reaches the members that a configuration names. */
export function upstreamsOf({ endpoints, tls }: EtcdOptions["etcd"]): Upstream[] {
  return endpoints.map((endpoint) => {
    const parsed = parseEndpoint(endpoint);
    if ("expected" in parsed) throw new Error(`An endpoint of etcd must be ${parsed.expected}`);
    const { host, port, isSecure } = parsed;
    const { ca_pem: caPem, cert_pem: certPem, key_pem } = tls;
    return { host, port, tls: isSecure ? { caPem, certPem, keyPem: key_pem?.reveal() ?? null } : null };
  });
}

function mapped<T, U>(answer: Answer<T>, map: (value: T) => U): Answer<U> {
  return answer.kind === "done" ? { kind: "done", value: map(answer.value) } : answer;
}
