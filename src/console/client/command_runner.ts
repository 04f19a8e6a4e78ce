import { PgplexError } from "../../kernel/mod.ts";
import type { PeerAddress } from "../../transport/mod.ts";
import type { Answer, Notice } from "../answer/mod.ts";
import {
  type Asker,
  type CommandContext,
  type CommandIndex,
  type Invocation,
  mayEnter,
  notAllowed,
  type ParamValue,
  requireAdmin,
} from "../command/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** How much of a command the log shows. */
const LOGGED_CHARS_MAX = 1000;

/** The client whose commands run. */
export interface RunningClient extends Asker {
  /** The name by which it asked for the console. */
  readonly database: string;
  readonly peer: PeerAddress;
  /** Clock milliseconds. */
  readonly connectedMs: number;
}

/**
 * Runs the commands of one client: checks its rights, gives the command its context, and logs what changed something.
 *
 * Invariant: at most one command runs.
 */
export class CommandRunner {
  readonly #parts: ConsoleParts;
  readonly #commands: CommandIndex;
  readonly #client: RunningClient;
  #running: string | null = null;
  #requestMs: number;

  constructor({ parts, commands }: { parts: ConsoleParts; commands: CommandIndex }, client: RunningClient) {
    this.#parts = parts;
    this.#commands = commands;
    this.#client = client;
    this.#requestMs = client.connectedMs;
  }

  /** The words of the command that runs; null between commands. */
  get running(): string | null {
    return this.#running;
  }

  /** When the last command began, or the client connected; clock milliseconds. */
  get requestMs(): number {
    return this.#requestMs;
  }

  /** @throws PgplexError what the command throws, or `insufficient_privilege` */
  async run(invocation: Invocation, params: readonly ParamValue[], signal: AbortSignal): Promise<Answer> {
    const { command, statement } = invocation;
    const { worker } = this.#parts;
    const client = this.#client;
    const words = command.words.join(" ");
    this.#running = words;
    this.#requestMs = worker.runtime.clock.nowMs();
    worker.counters.consoleCommands++;
    const fields = { client: client.id, user: client.user, peer: client.peer.host };
    let changes = command.access === "admin";
    try {
      // A new configuration may have revoked the right since the client connected.
      if (!mayEnter(worker.config.console, client.user)) throw notAllowed(client.database, client.user);
      if (command.access === "admin") requireAdmin(client);
      const context: CommandContext = {
        ...this.#parts,
        commands: this.#commands,
        asker: client,
        signal,
        set: (segments, value) => {
          changes = true;
          this.#parts.set(segments, value);
        },
        reset: (segments) => {
          changes = true;
          return this.#parts.reset(segments);
        },
      };
      const answer = await command.run(invocation.args(params), context);
      // No setting that holds a secret can be set, so a statement that succeeded has none in it.
      if (changes) {
        const command = statement.text.slice(0, LOGGED_CHARS_MAX);
        const values = params.map((value) => value ?? "null").join(", ").slice(0, LOGGED_CHARS_MAX);
        worker.log.info("console", { ...fields, command, ...(values !== "" && { values }) });
      } else worker.log.debug("console", { ...fields, command: words });
      return changes && command.isShared !== true ? this.#withScope(answer) : answer;
    } catch (thrown) {
      if (thrown instanceof PgplexError && (changes || thrown.code === "insufficient_privilege")) {
        worker.log.info("console command failed", { ...fields, command: words, error: thrown.message });
      }
      throw thrown;
    } finally {
      this.#running = null;
    }
  }

  /** Who changes something at one of several instances is told that it holds there alone. */
  #withScope(answer: Answer): Answer {
    const { instances, live: { config: { instance: { id } } } } = this.#parts;
    const isAlone = !instances().some((other) => other.isThere && other.id !== id);
    if (isAlone) return answer;
    const notice: Notice = { severity: "NOTICE", message: `this holds for instance ${id} only` };
    return { ...answer, notices: [...answer.notices ?? [], notice] };
  }
}
