import { PgplexError } from "../../kernel/mod.ts";
import { type Answer, columns, type Notice } from "../answer/mod.ts";
import { type Args, type Command, type CommandContext, showCommand } from "../command/mod.ts";
import type { ReloadReport, ShutdownMode } from "../parts/mod.ts";
import { EMPTY_TABLES, emptyTable } from "./empty_tables.ts";
import { help } from "./help.ts";
import { kill, killClient, pause, reconnect, resume, setDisabled, suspend, waitClose } from "./operations.ts";
import { showConfig } from "./show_config.ts";
import { showDatabases } from "./show_databases.ts";
import { showLists } from "./show_lists.ts";
import { showMem } from "./show_mem.ts";
import { showPools } from "./show_pools.ts";
import { showClients, showServers, showSockets } from "./show_sockets.ts";
import { showStats, showStatsAverages, showStatsTotals, showTotals } from "./show_stats.ts";
import { showUsers } from "./show_users.ts";

/**
 * PgBouncer's commands; SHOW STATE is in `pgplex/`, where it takes an id as well. To add one, add an entry: `words` in upper
 * case, who may run it, and `run`, which gets the tokens after the words and a `CommandContext`, and returns a `Table`, or `{}`
 * for a command without rows, either with `notices`, or throws a PgplexError. Each table is in a file of its own.
 */
export const PGBOUNCER_COMMANDS: readonly Command[] = [
  showCommand(
    "VERSION",
    ({ version }) => ({ columns: columns("version text"), rows: [[`pgplex ${version}`]] }),
  ),
  showCommand("DATABASES", showDatabases),
  showCommand("POOLS", showPools),
  showCommand("CLIENTS", showClients),
  showCommand("SERVERS", showServers),
  showCommand("SOCKETS", (context) => showSockets(context, false)),
  showCommand("ACTIVE_SOCKETS", (context) => showSockets(context, true)),
  showCommand("STATS", showStats),
  showCommand("STATS_TOTALS", showStatsTotals),
  showCommand("STATS_AVERAGES", showStatsAverages),
  showCommand("TOTALS", showTotals),
  showCommand("LISTS", showLists),
  showCommand("USERS", showUsers),
  showCommand("CONFIG", showConfig),
  showCommand("MEM", showMem),
  ...EMPTY_TABLES.map((name) => showCommand(name, () => emptyTable(name))),
  {
    words: ["SHOW", "FDS"],
    access: "stats",
    run: () => {
      throw new PgplexError("unsupported_feature", "SHOW FDS is not supported", {
        detail: "File descriptors cannot be handed over to another process.",
        hint: "SHOW SOCKETS shows connections.",
      });
    },
  },
  {
    words: ["SHOW", "HELP"],
    access: "stats",
    run: (args, context) => (args.none(), help(context)),
  },
  operation("PAUSE", "[<db>]", (args, context) => pause(context, optional(args))),
  operation("RESUME", "[<db>]", (args, context) => resume(context, optional(args))),
  operation("RECONNECT", "[<db>]", (args, context) => reconnect(context, optional(args))),
  operation("WAIT_CLOSE", "[<db>]", (args, context) => waitClose(context, optional(args))),
  operation("KILL", "[<db>]", (args, context) => kill(context, optional(args))),
  operation("KILL_CLIENT", "<client id>", (args, context) => killClient(context, args.texts(1, 1)[0]!)),
  operation(
    "ENABLE",
    "<db> | <cluster>.<node>",
    (args, context) => setDisabled(context, required(args), false),
  ),
  operation(
    "DISABLE",
    "<db> | <cluster>.<node>",
    (args, context) => setDisabled(context, required(args), true),
  ),
  operation("SUSPEND", undefined, (args, context) => (args.none(), suspend(context))),
  {
    words: ["RELOAD"],
    access: "admin",
    run: async (args, { reload }) => {
      args.none();
      return { notices: reloadNotices(await reload()) };
    },
  },
  {
    words: ["SHUTDOWN"],
    access: "admin",
    usage: "[WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]",
    run: (args, { shutdown }) => {
      shutdown(shutdownMode(args));
      return {};
    },
  },
];

function operation(
  word: string,
  usage: string | undefined,
  run: (args: Args, context: CommandContext) => void | Promise<void>,
): Command {
  const command = {
    words: [word],
    access: "admin" as const,
    run: (args: Args, context: CommandContext): Answer | Promise<Answer> => {
      try {
        const running = run(args, context);
        return running instanceof Promise ? running.then(() => ({}), refused) : {};
      } catch (thrown) {
        return refused(thrown);
      }
    },
  };
  return usage === undefined ? command : { ...command, usage };
}

/** PgBouncer has one SQLSTATE for whatever its commands refuse, which scripts know. @throws `thrown` with that */
function refused(thrown: unknown): never {
  if (!(thrown instanceof PgplexError) || thrown.side !== "client" || thrown.code === "query_canceled") {
    throw thrown;
  }
  throw new PgplexError(thrown.code, thrown.message, { ...thrown.extra, sqlstate: "08P01" });
}

function optional(args: Args): string | null {
  return args.texts(0, 1)[0] ?? null;
}

function required(args: Args): string {
  const name = optional(args);
  if (name === null) throw new PgplexError("syntax_error", "a database is required");
  return name;
}

function shutdownMode(args: Args): ShutdownMode {
  args.texts(0, 1);
  const mode = args.keyword(0);
  if (mode === null && args.count === 0) return "now";
  if (mode === "WAIT_FOR_SERVERS") return "wait_for_servers";
  if (mode === "WAIT_FOR_CLIENTS") return "wait_for_clients";
  throw new PgplexError("syntax_error", "SHUTDOWN takes WAIT_FOR_SERVERS or WAIT_FOR_CLIENTS");
}

function reloadNotices({ live, restart }: ReloadReport): Notice[] {
  const notices: Notice[] = [{
    severity: "NOTICE",
    message: live.length === 0 ? "nothing changed" : `changed: ${live.join(", ")}`,
  }];
  if (restart.length > 0) {
    notices.push({ severity: "WARNING", message: `takes effect at the next start: ${restart.join(", ")}` });
  }
  return notices;
}
