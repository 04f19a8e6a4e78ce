import { SETTING_TREE } from "../../config/mod.ts";
import { isTable, type Table } from "../answer/mod.ts";
import type { CommandContext } from "../command/mod.ts";
import { clustersNode } from "./clusters.ts";
import { configNode } from "./config_node.ts";
import { branch, merged, type ReadyNode, type TreeNode } from "./node.ts";
import { sessionsNode } from "./sessions.ts";
import { tableNode } from "./table_node.ts";

/** Tables that are branches of the tree as well, with the columns that lead to one row. */
const TABLES: ReadonlyMap<string, readonly string[]> = new Map([
  ["clients", ["id"]],
  ["config", ["key"]],
  ["databases", ["name"]],
  ["instances", ["id"]],
  ["listeners", ["cluster", "database", "channel"]],
  ["lists", ["list"]],
  ["mem", ["name"]],
  ["nodes", ["cluster", "node"]],
  ["pins", ["session"]],
  ["pools", ["database", "user"]],
  ["probes", ["cluster", "database", "fingerprint"]],
  ["servers", ["id"]],
  ["state", ["key"]],
  ["stats", ["database"]],
  ["totals", ["name"]],
  ["users", ["name"]],
]);

/** Names at the root beside the file's own sections and {@link TABLES}. */
const OBJECTS = ["clusters", "sessions", "settings"] as const;

/** The whole tree: objects, and the configuration both as `settings` and by the names of its sections. */
export function treeRoot(context: CommandContext): TreeNode {
  return {
    names: () => new Set([...OBJECTS, ...TABLES.keys(), ...SETTING_TREE.members.keys()]),
    child: async (name) => {
      switch (name) {
        case "clusters":
          return clustersNode(context, {
            clusters: await answered(context, "clusters"),
            nodes: await answered(context, "nodes"),
          });
        case "sessions":
          return sessionsNode(context);
        case "settings":
          return configNode(context.live, []);
        case "databases":
          return objects(
            await answered(context, name),
            name,
            configNode(context.live, ["routing", "databases"])!,
          );
        case "users":
          return objects(
            await answered(context, name),
            name,
            merged(configNode(context.live, ["users"]), configNode(context.live, ["auth", "users"]))!,
          );
      }
      const keys = TABLES.get(name);
      return keys === undefined
        ? configNode(context.live, [name])
        : tableNode(await answered(context, name), keys);
    },
  };
}

/** What SHOW of this name answers. */
async function answered(context: CommandContext, name: string): Promise<Table> {
  const show = context.commands.findShow([{ kind: "name", parts: [{ text: name, quoted: false }], at: 0 }]);
  const answer = await show.command.run(show.args(), context);
  return isTable(answer) ? answer : { columns: [], rows: [] };
}

/** Objects that are both rows of a table and entries of the configuration: each shows both. */
function objects(table: Table, name: string, config: ReadyNode): ReadyNode {
  const rows = tableNode(table, TABLES.get(name)!);
  const names = new Set([...rows.names(), ...config.names()]);
  const children = new Map<string, ReadyNode>();
  for (const one of names) children.set(one, merged(config.child(one), rows.child(one))!);
  return { ...branch(children, () => table), segments: config.segments! };
}
