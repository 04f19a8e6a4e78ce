import { PgplexError } from "../../kernel/mod.ts";
import { keepsName, type PauseMode } from "../../servers/mod.ts";
import type { CommandContext } from "../command/mod.ts";
import { type ConsoleParts, findDatabase, findNode, listDatabases, sessionsOf } from "../parts/mod.ts";

/** How often a waiting command checks whether it is done, besides each time that something has changed. */
const LOOK_EVERY_MS = 100;

/** What PAUSE works with: a signal of the process can ask for it too, without a client. */
type Operation = ConsoleParts & Pick<CommandContext, "signal">;

/**
 * PAUSE: no lease begins, and server connections end as they are released; returns when none is left. The pause stays when
 * the client stops waiting.
 *
 * @throws PgplexError `wrong_state` where everything is paused or suspended already; `query_canceled` when RESUME came first,
 *   or a reload that removed the database
 */
export async function pause(context: Operation, asked: string | null): Promise<void> {
  const { pools, replications, config: before } = context.worker;
  const { control } = pools;
  requireRunning(control.mode);
  const name = asked === null ? null : findDatabase(context, asked, "pause");
  if (name === null) control.mode = "paused";
  else control.setPaused(name, true);
  pools.applyControl();
  closeUnusedListeners(context, name);
  const holds = () => control.mode === "paused" || (name !== null && control.isPaused(name));
  await until(context, () => {
    if (!holds()) {
      const gone = name !== null && !keepsName({ before, after: context.worker.config }, name);
      const reason = gone ? `as database "${name}" was removed` : "due to RESUME";
      throw new PgplexError("query_canceled", `canceling PAUSE ${reason}`);
    }
    for (const { pool } of pools.of(name)) if (!pool.quiet) return false;
    for (const { request, link } of replications) {
      if (link !== null && (name === null || request.name === name)) return false;
    }
    return true;
  });
}

/** RESUME: ends a pause or a suspension. @throws PgplexError `wrong_state` where there is none, as PgBouncer */
export function resume(context: ConsoleParts, asked: string | null): void {
  const { pools, stopping } = context.worker;
  const { control } = pools;
  if (asked === null) {
    if (stopping) throw new PgplexError("wrong_state", "pooler is shutting down");
    if (control.mode === "none") {
      const { pausedNames } = control;
      throw new PgplexError(
        "wrong_state",
        "pooler is not paused/suspended",
        pausedNames.length === 0 ? {} : { hint: `Paused by name: ${pausedNames.join(", ")}. RESUME each.` },
      );
    }
    control.mode = "none";
  } else {
    const name = findDatabase(context, asked, "resume");
    if (!control.isPaused(name)) throw new PgplexError("wrong_state", `database ${name} is not paused`);
    control.setPaused(name, false);
  }
  pools.applyControl();
}

/**
 * SUSPEND: no more is read from clients; returns when everything read so far has been forwarded. What servers still answer
 * reaches the clients.
 */
export async function suspend(context: CommandContext): Promise<void> {
  const { control } = context.worker.pools;
  requireRunning(control.mode);
  if (control.pausedNames.length > 0) {
    throw new PgplexError("wrong_state", "cannot suspend with paused databases", {
      detail: `Paused: ${control.pausedNames.join(", ")}.`,
    });
  }
  control.mode = "suspended";
  await until(context, () => {
    if (control.mode !== "suspended") {
      throw new PgplexError("query_canceled", "canceling SUSPEND due to RESUME");
    }
    for (const session of sessionsOf(context)) if (session.writing) return false;
    return true;
  });
}

/** RECONNECT: every server connection ends when it is released, idle ones now; new ones take their place at once. */
export function reconnect(context: CommandContext, asked: string | null): void {
  const { pools, sessions, runtime: { clock } } = context.worker;
  const name = asked === null ? null : findDatabase(context, asked, "reconnect", { leaving: true });
  for (const { pool } of pools.of(name)) pool.recycle(clock.nowMs());
  for (const session of sessions) session.lookIfGone();
  closeUnusedListeners(context, name);
}

/** Shared listeners that sessions need stay open: otherwise notifications would be lost. */
function closeUnusedListeners({ worker: { pools, listeners } }: ConsoleParts, name: string | null): void {
  listeners.closeUnused((pool) => name === null || pools.nameOf(pool) === name);
}

/** WAIT_CLOSE: returns when every server connection is gone that RECONNECT has marked. */
export async function waitClose(context: CommandContext, asked: string | null): Promise<void> {
  const { pools } = context.worker;
  const name = asked === null ? null : findDatabase(context, asked, "wait in", { leaving: true });
  await until(context, () => {
    for (const { pool } of pools.of(name)) if (pool.staleCount > 0) return false;
    return true;
  });
}

/** KILL: ends every client and server connection at once, and pauses the databases by name: new clients wait for RESUME. */
export function kill(context: CommandContext, asked: string | null): void {
  const { pools, sessions, replications } = context.worker;
  requireRunning(pools.control.mode);
  const name = asked === null ? null : findDatabase(context, asked, "kill");
  const names = name === null ? listDatabases(context).map((listed) => listed.name) : [name];
  for (const each of names) pools.control.setPaused(each, true);
  pools.applyControl();
  for (const session of sessions) {
    if (name === null || pools.nameOf(session.destination) === name) session.end(byAdministrator());
  }
  for (const replication of replications) {
    if (name === null || replication.request.name === name) replication.end();
  }
}

/** KILL_CLIENT: ends the client with this id, whatever it does. @throws PgplexError `undefined_object` */
export function killClient({ worker, clients }: CommandContext, asked: string): void {
  const id = /^\d{1,15}$/.test(asked) ? Number(asked) : NaN;
  if (Number.isNaN(id)) throw new PgplexError("invalid_parameter_value", "invalid client pointer supplied");
  for (const session of worker.sessions) {
    if (session.facts.id === id && !session.ending) return session.end(byAdministrator());
  }
  for (const client of clients) if (client.id === id) return client.end(byAdministrator());
  for (const replication of worker.replications) if (replication.request.id === id) return replication.end();
  throw new PgplexError("undefined_object", "client not found", { hint: "SHOW CLIENTS has the ids." });
}

/**
 * ENABLE and DISABLE: whether new clients of a database are let in; of a node, named CLUSTER.NODE, whether it serves those who only
 * read. A database of that name goes before a node.
 */
export function setDisabled(context: CommandContext, asked: string, disabled: boolean): void {
  const node = findNode(context, asked);
  if (node !== null && !listDatabases(context).some(({ name }) => name === asked)) {
    if (disabled && node.role === "primary") {
      throw new PgplexError("wrong_state", `cannot disable "${asked}" as it is the primary of its cluster`, {
        hint: "Promote a standby first.",
      });
    }
    context.disableNode(node.cluster, node.name, disabled);
    return;
  }
  const name = findDatabase(context, asked, disabled ? "disable" : "enable");
  context.worker.pools.control.setDisabled(name, disabled);
}

function requireRunning(mode: PauseMode): void {
  if (mode !== "none") throw new PgplexError("wrong_state", "already suspended/paused");
}

function byAdministrator(): PgplexError {
  return new PgplexError("shutting_down", "terminating connection due to administrator command");
}

/** Waits until `done`, or until the client stops waiting. @throws PgplexError why it stopped */
async function until({ worker, signal }: Operation, done: () => boolean): Promise<void> {
  const { pools: { control }, runtime: { clock } } = worker;
  while (!done()) {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const wake = () => {
        timer.cancel();
        stop();
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = clock.after(LOOK_EVERY_MS, wake);
      const stop = control.onReceded(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
