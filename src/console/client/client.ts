import { PgplexError } from "../../kernel/mod.ts";
import type { ConsoleVisitor } from "../../login/mod.ts";
import { encodeError, utf8FromBinary } from "../../protocol/mod.ts";
import { type CancelKey, type Cancellable, optionOf } from "../../session/mod.ts";
import { FrameLengthError, isSocketError, Outbox, type PeerAddress } from "../../transport/mod.ts";
import type { Answer, Cell } from "../answer/mod.ts";
import type { Commands, Invocation, ParamValue } from "../command/mod.ts";
import type { ConnectedClient, ConsoleParts } from "../parts/mod.ts";
import { type ClientMessage, decodeClientMessage, Inbox, UnknownMessageType } from "../wire/mod.ts";
import { CommandRunner, type RunningClient } from "./command_runner.ts";
import { Dialogue } from "./dialogue.ts";
import { ConsoleOptions, type Directed } from "./directives.ts";
import { greeting, parameterStatus } from "./greeting.ts";

/** The longest message that the console takes: its statements are short. */
const MESSAGE_BYTES_MAX = 65_536;

/** Bytes of answers that may wait to be written before more are made: a client that does not read delays only itself. */
const UNWRITTEN_BYTES_MAX = 65_536;

/** For how long one client's answers are made before other work gets a turn. */
const TURN_MS = 10;

/**
 * One client of the console: reads its messages, has them answered, and ends when the client leaves or is ended from outside.
 *
 * Invariant: at most one command runs.
 */
export class ConsoleClient implements Cancellable, ConnectedClient, RunningClient {
  readonly id: number;
  readonly user: string;
  readonly database: string;
  readonly peer: PeerAddress;
  /** Protocol and cipher; null without TLS. */
  readonly tls: string | null;
  /** Clock milliseconds. */
  readonly connectedMs: number;
  readonly driverSettings = new Map<string, string>();
  readonly startupName: string;
  inTransaction = false;
  readonly #parts: ConsoleParts;
  readonly #visitor: ConsoleVisitor;
  readonly #out: Outbox;
  readonly #dialogue: Dialogue;
  readonly #options: ConsoleOptions;
  readonly #runner: CommandRunner;
  readonly #key: CancelKey;
  /** Aborts the answer to the latest message. */
  #answering = new AbortController();
  /** Bytes that were sent since the last flush. */
  #unwrittenBytes = 0;
  /** When others last had their turn; clock milliseconds. */
  #turnMs = 0;
  #ending = false;

  /** @throws PgplexError for options in the connection string that there are not, or that are not allowed */
  constructor(parts: ConsoleParts, commands: Commands, visitor: ConsoleVisitor) {
    const { worker } = parts;
    this.#options = new ConsoleOptions(visitor.params, worker.config.pool);
    this.#parts = parts;
    this.#visitor = visitor;
    this.id = worker.runtime.nextId();
    this.user = visitor.user;
    this.database = visitor.database;
    this.peer = visitor.peer;
    this.tls = visitor.tls;
    this.connectedMs = worker.runtime.clock.nowMs();
    this.#out = new Outbox(visitor.stream, worker.runtime.buffers);
    this.#key = worker.cancelKeys.issue(this, visitor.minor);
    const name = visitor.params.get("application_name");
    this.startupName = name === undefined ? "" : utf8FromBinary(name);
    this.driverSettings.set("application_name", this.startupName);
    this.#runner = new CommandRunner({ parts, commands }, this);
    this.#dialogue = new Dialogue({
      commands,
      directed: (text) => this.#options.read(text, worker.config.pool, () => this.#describe()),
      apply: (directed) => this.#options.apply(directed),
      run: (invocation, params, directed) => this.#runWithin(invocation, params, directed),
      inTransaction: () => this.inTransaction,
      send: (message) => {
        this.#unwrittenBytes += message.length;
        this.#out.put(message);
      },
      pace: () => this.#pace(),
      defect: (thrown) => this.#defect(thrown),
    });
  }

  get admin(): boolean {
    return this.#parts.worker.config.console.admin_users.includes(this.user);
  }

  get applicationName(): string {
    return this.driverSettings.get("application_name") ?? "";
  }

  /** The words of the command that runs; null while the client is idle. */
  get command(): string | null {
    return this.#runner.running;
  }

  /** When the last command began; clock milliseconds. */
  get requestMs(): number {
    return this.#runner.requestMs;
  }

  get preparedStatements(): number {
    return this.#dialogue.prepared.statementCount;
  }

  /** The client's option `tag`; empty without. */
  get tag(): string {
    return optionOf(
      { options: this.#options.values, poolSettings: this.#parts.worker.config.pool },
      "tag",
    );
  }

  /** What `--!pgplex show session` answers, with the names that it uses for sessions of databases. */
  #describe(): Cell[][] {
    const { runtime: { clock } } = this.#parts.worker;
    return [
      ["id", String(this.id)],
      ["user", this.user],
      ["database", this.database],
      ["access", this.admin ? "admin" : "stats"],
      ["prepared_statements", String(this.preparedStatements)],
      ["application_name", this.applicationName],
      ["tls", this.tls],
      ["protocol", `3.${this.#visitor.minor}`],
      ["connected_for", `${((clock.nowMs() - this.connectedMs) / 1000).toFixed(3)}s`],
    ];
  }

  report(name: string, value: string): void {
    this.#out.put(parameterStatus(name, value));
  }

  deallocate(name: string | null): void {
    const { prepared } = this.#dialogue;
    if (name === null) return prepared.closeAllStatements();
    prepared.statement(name);
    prepared.closeStatement(name);
  }

  cancel(): Promise<void> {
    this.#answering.abort(new PgplexError("query_canceled", "canceling statement due to user request"));
    return Promise.resolve();
  }

  /** Ends the connection from outside: a FATAL for the client, then it closes. */
  end(error: PgplexError): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#answering.abort(error);
    this.#sayLast(error);
    const written = this.#out.flush() ?? Promise.resolve();
    // A client that does not read is not waited for.
    void Promise.race([written, this.#parts.worker.runtime.turn()]).then(() => this.#visitor.stream.close());
  }

  /** Serves the client to its end; `rest` is what was already read after the login. Never rejects. */
  async run(rest: Uint8Array): Promise<void> {
    const { cancelKeys } = this.#parts.worker;
    try {
      const { pid, secret } = this.#key;
      for (const message of greeting(this, { version: this.#parts.version, pid, secret })) {
        this.#out.put(message);
      }
      await this.#flush();
      await this.#serve(new Inbox(this.#visitor.stream, rest, MESSAGE_BYTES_MAX));
    } catch (thrown) {
      if (thrown instanceof PgplexError) {
        this.#sayLast(thrown);
        await Promise.race([this.#out.flush() ?? Promise.resolve(), this.#parts.worker.runtime.turn()]);
      } else if (!isSocketError(thrown)) this.#defect(thrown);
    } finally {
      this.#ending = true;
      cancelKeys.revoke(this, this.#key);
      this.#visitor.stream.close();
      await this.#out.flush();
    }
  }

  async #serve(inbox: Inbox): Promise<void> {
    for (;;) {
      const frame = inbox.tryTake();
      if (frame === null) {
        if (!await inbox.fill() || this.#ending) return;
        this.#turnMs = this.#parts.worker.runtime.clock.exactMs();
        continue;
      }
      let message: ClientMessage;
      try {
        message = decodeClientMessage(frame.type, frame.body);
      } catch (thrown) {
        if (thrown instanceof UnknownMessageType) throw thrown;
        this.#dialogue.refuseMessage(frame.type, thrown);
        await this.#flush();
        continue;
      }
      if (message.kind === "terminate") return;
      let answered = false;
      this.#answering = new AbortController();
      const answer = this.#dialogue.receive(message).finally(() => answered = true);
      void this.#watch(inbox, this.#answering, () => answered);
      const write = await answer;
      if (this.#ending) return;
      if (write) await this.#flush();
    }
  }

  /** Notices when the client leaves while it is being answered, and aborts the answer. */
  async #watch(inbox: Inbox, abort: AbortController, over: () => boolean): Promise<void> {
    await this.#parts.worker.runtime.turn(); // most commands are over before that
    try {
      while (!over() && !inbox.full) if (!await inbox.fill()) break;
      if (over() || inbox.full) return;
    } catch {
      // An error of the socket means the same: the client is gone.
    }
    abort.abort(new PgplexError("shutting_down", "the client is gone"));
  }

  /** See {@link DialoguePort.pace}. */
  #pace(): Promise<void> | null {
    const { signal } = this.#answering;
    signal.throwIfAborted();
    const tired = this.#parts.worker.runtime.clock.exactMs() - this.#turnMs >= TURN_MS;
    return tired || this.#unwrittenBytes >= UNWRITTEN_BYTES_MAX ? this.#rest(signal) : null;
  }

  async #rest(signal: AbortSignal): Promise<void> {
    const { runtime: { clock, turn } } = this.#parts.worker;
    await this.#flush();
    await turn();
    this.#turnMs = clock.exactMs();
    signal.throwIfAborted();
  }

  async #flush(): Promise<void> {
    this.#unwrittenBytes = 0;
    await this.#out.flush();
  }

  /** Runs a command no longer than its directives, or the connection's options, allow. */
  async #runWithin(
    invocation: Invocation,
    params: readonly ParamValue[],
    directed: Directed,
  ): Promise<Answer> {
    const { config, runtime: { clock } } = this.#parts.worker;
    const timeoutMs = this.#options.begins(directed, config.pool);
    const answering = this.#answering;
    const expired = new PgplexError("query_timeout", "canceling statement due to query_timeout");
    const timer = timeoutMs === 0 ? null : clock.after(timeoutMs, () => answering.abort(expired));
    try {
      return await this.#runner.run(invocation, params, answering.signal);
    } finally {
      timer?.cancel();
      this.#options.ends(this.inTransaction);
    }
  }

  #defect(thrown: unknown): void {
    const error = thrown instanceof Error ? `${thrown.message}\n${thrown.stack}` : String(thrown);
    this.#parts.worker.log.error("internal error", { client: this.id, error });
  }

  #sayLast(error: PgplexError): void {
    if (error instanceof FrameLengthError) this.#parts.worker.counters.protocolViolations++;
    this.#out.put(encodeError("FATAL", error));
    this.#out.end();
  }
}
