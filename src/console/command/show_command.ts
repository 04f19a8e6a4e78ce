import type { Table } from "../answer/mod.ts";
import type { Command, CommandContext } from "./command.ts";

/** A SHOW without arguments, for all users of the console, that answers a table. */
export function showCommand(name: string, table: (context: CommandContext) => Table): Command {
  return {
    words: ["SHOW", name],
    access: "stats",
    run: (args, context) => {
      args.none();
      return table(context);
    },
  };
}
