import type { Done } from "../answer/mod.ts";
import type { CommandContext } from "../command/mod.ts";
import { CONNECTION_COMMANDS } from "../drivers/mod.ts";

/** SHOW HELP: a NOTICE, as in PgBouncer, with every command and its arguments but for those that only drivers send. */
export function help({ commands }: Pick<CommandContext, "commands">): Done {
  const all = commands.all().filter((command) => !CONNECTION_COMMANDS.includes(command));
  const shows = all.filter(({ words }) => words[0] === "SHOW" && words.length > 1);
  const others = all.filter((command) => !shows.includes(command));
  const lines = [
    ...wrapped(shows.filter(({ usage }) => usage === undefined).map(({ words }) => words.slice(1).join(" "))),
    ...[...shows.filter(({ usage }) => usage !== undefined), ...others].map(({ words, usage }) =>
      [...words, usage ?? ""].join(" ").trim()
    ),
  ];
  return {
    tag: "SHOW",
    notices: [{
      severity: "NOTICE",
      message: "Console usage",
      detail: lines.map((line) => `\n\t${line}`).join(""),
    }],
  };
}

/** `SHOW A|B|C`, several of them when the line gets too long. */
function wrapped(names: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "";
  for (const name of names) {
    if (line.length + name.length > 66) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? `SHOW ${name}` : `${line}|${name}`;
  }
  return line === "" ? lines : [...lines, line];
}
