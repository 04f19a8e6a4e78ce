import { USAGE_COMMANDS, USAGE_EXIT_CODES, USAGE_OPTIONS, USAGE_SIGNALS } from "./tables.ts";

/** Where the explanations of options and commands begin. */
const INDENT = 18;

/** The text of `--help`. */
export function helpText(version: string): string {
  const [first, ...others] = USAGE_COMMANDS.map(({ synopsis }) => `pgplex ${synopsis}`);
  const explained = (left: string, doc: string) => `  ${left.padEnd(INDENT - 2)}${doc}`;
  const options = USAGE_OPTIONS.map(({ flag, value, doc }) =>
    explained(value === null ? flag : `${flag} ${value}`, doc)
  );
  const commands = USAGE_COMMANDS.flatMap(({ name, doc }) => name === null ? [] : [explained(name, doc!)]);
  return `pgplex ${version}: one address for any number of PostgreSQL clusters

Usage: ${[first, ...others.map((line) => `       ${line}`)].join("\n")}

${options.join("\n")}

${commands.join("\n")}

To try it out from source, with PostgreSQL clusters of its own: deno task demo

Signals:
${USAGE_SIGNALS.map(([signal, effect]) => explained(signal, effect)).join("\n")}

Exit codes: ${USAGE_EXIT_CODES.map(([code, meaning]) => `${code} ${meaning}`).join(", ")}.
`;
}
