import { PgplexError } from "../../kernel/mod.ts";
import { type Command, requireAdmin, showCommand } from "../command/mod.ts";
import { showState, STATE_COLUMNS } from "../pgbouncer/mod.ts";
import { showClusters } from "./show_clusters.ts";
import { MOVE_COMMANDS } from "./move_commands.ts";
import { showFailovers } from "./show_failovers.ts";
import { showInstances } from "./show_instances.ts";
import { showListeners } from "./show_listeners.ts";
import { showNodes } from "./show_nodes.ts";
import { showPins } from "./show_pins.ts";
import { showProbes } from "./show_probes.ts";
import { SESSION_STATE_COLUMNS, showSessionState } from "./show_session_state.ts";

/** The tables and the command that only pgplex has, and SHOW STATE, which PgBouncer has without a session's id. */
export const PGPLEX_COMMANDS: readonly Command[] = [
  ...MOVE_COMMANDS,
  showCommand("CLUSTERS", showClusters),
  showCommand("NODES", showNodes),
  showCommand("FAILOVERS", showFailovers),
  showCommand("INSTANCES", showInstances),
  showCommand("PINS", showPins),
  showCommand("LISTENERS", showListeners),
  showCommand("PROBES", showProbes),
  {
    words: ["INSTALL", "SCHEMA"],
    isShared: true,
    access: "admin",
    usage: "<cluster>",
    run: async (args, { live, installSchema }) => {
      const [cluster] = args.texts(1, 1);
      const { clusters } = live.config;
      if (!clusters.has(cluster!)) {
        throw new PgplexError("undefined_object", `there is no cluster "${cluster}"`, {
          hint: `There are ${[...clusters.keys()].join(", ")}.`,
        });
      }
      const lines = await installSchema(cluster!);
      return { notices: lines.map((message) => ({ severity: "NOTICE", message })) };
    },
  },
  {
    words: ["SHOW", "STATE"],
    access: "stats",
    usage: "[<client id>]",
    columns: ({ count }) => count === 0 ? STATE_COLUMNS : SESSION_STATE_COLUMNS,
    run: (args, context) => {
      const [id] = args.texts(0, 1);
      if (id === undefined) return showState(context);
      requireAdmin(context.asker);
      return showSessionState(context, id);
    },
  },
];
