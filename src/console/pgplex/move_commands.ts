import { parseDuration } from "../../config/mod.ts";
import { PgplexError } from "../../kernel/mod.ts";
import type { Command as MoveCommand } from "../../arbiter/mod.ts";
import { type Answer, columns } from "../answer/mod.ts";
import { type Args, type Command, type CommandContext, syntaxErrorAt } from "../command/mod.ts";

/**
 * SWITCHOVER, FAILOVER and REJOIN: each answers when it is over, with what was done and how long each step took. A client that stops
 * waiting takes nothing back.
 */
export const MOVE_COMMANDS: readonly Command[] = [
  {
    words: ["SWITCHOVER"],
    isShared: true,
    access: "admin",
    usage: "<cluster> [TO <node>] [WITHIN '<time>'] [FORCE]",
    run: (args, context) => {
      const cluster = args.text(0);
      const { to, withinMs, isForced } = wishOf(args.rest(1), true);
      return move(context, cluster, { kind: "switchover", to, withinMs, isForced });
    },
  },
  {
    words: ["FAILOVER"],
    isShared: true,
    access: "admin",
    usage: "<cluster> [TO <node>] [FORCE]",
    run: (args, context) => {
      const cluster = args.text(0);
      const { to, isForced } = wishOf(args.rest(1), false);
      return move(context, cluster, { kind: "failover", to, isForced });
    },
  },
  {
    words: ["REJOIN"],
    isShared: true,
    access: "admin",
    usage: "<cluster>.<node>",
    run: (args, context) => {
      const [name] = args.texts(1, 1);
      const dot = name!.indexOf(".");
      if (dot < 0) throw new PgplexError("syntax_error", "a node is named CLUSTER.NODE");
      return move(context, name!.slice(0, dot), { kind: "rejoin", node: name!.slice(dot + 1) });
    },
  },
];

/** What stands behind the cluster's name, in any order. */
function wishOf(
  args: Args,
  takesTime: boolean,
): { to: string | null; withinMs: number | null; isForced: boolean } {
  let [to, withinMs, isForced] = [null as string | null, null as number | null, false];
  for (let at = 0; at < args.count;) {
    const word = args.keyword(at);
    if (word === "TO") {
      to = args.text(at + 1);
      at += 2;
    } else if (word === "WITHIN" && takesTime) {
      withinMs = durationOf(args.text(at + 1));
      at += 2;
    } else if (word === "FORCE") {
      isForced = true;
      at++;
    } else throw syntaxErrorAt(args.tokens[at]!);
  }
  return { to, withinMs, isForced };
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) {
    throw new PgplexError("invalid_parameter_value", `"${text}" is no time`, { hint: "As in '30s'." });
  }
  return ms;
}

async function move(
  { moves, worker, asker }: CommandContext,
  cluster: string,
  command: MoveCommand,
): Promise<Answer> {
  if (!worker.config.clusters.has(cluster)) {
    throw new PgplexError("undefined_object", `there is no cluster "${cluster}"`, {
      hint: "SHOW CLUSTERS has the names.",
    });
  }
  const { ok, text } = await moves.command(cluster, command, asker.user);
  if (!ok) throw new PgplexError("wrong_state", `cannot ${command.kind} in cluster "${cluster}": ${text}`);
  return { columns: columns("cluster text, result text"), rows: [[cluster, text]] };
}
