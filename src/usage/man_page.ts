import {
  CLUSTER_OPTION,
  USAGE_COMMANDS,
  USAGE_EXIT_CODES,
  USAGE_OPTIONS,
  USAGE_SIGNALS,
  type UsageOption,
} from "./tables.ts";

/** The manual page pgplex(1), in the macros of man(7). `date` is `2026-11-29`. */
export function manPage({ version, date }: { version: string; date: string }): string {
  const sections: [title: string, lines: string[]][] = [
    ["NAME", ["pgplex \\- one address for any number of PostgreSQL clusters"]],
    [
      "SYNOPSIS",
      USAGE_COMMANDS.flatMap(({ synopsis }, index) => [
        ...(index === 0 ? [] : [".br"]),
        `.B pgplex\n${escaped(synopsis)}`,
      ]),
    ],
    ["DESCRIPTION", [
      escaped(
        "pgplex is a proxy for PostgreSQL: it leads clients to the cluster that their database name carries " +
          "(database@cluster), shares server connections between them with their session state kept, and follows " +
          "or moves the primary of each cluster.",
      ),
    ]],
    ["COMMANDS", USAGE_COMMANDS.flatMap(({ name, doc }) => name === null ? [] : described(bold(name), doc!))],
    [
      "OPTIONS",
      [...USAGE_OPTIONS, CLUSTER_OPTION].flatMap((option) => described(headOf(option), option.doc)),
    ],
    ["SIGNALS", USAGE_SIGNALS.flatMap(([signal, effect]) => described(bold(signal), effect))],
    ["EXIT STATUS", USAGE_EXIT_CODES.flatMap(([code, meaning]) => described(bold(String(code)), meaning))],
    ["ENVIRONMENT", [
      ...described(bold("NOTIFY_SOCKET"), "where systemd is told that pgplex is ready and lives"),
      ...described(bold("WATCHDOG_USEC"), "how often it wants to be told that"),
    ]],
    ["FILES", described(bold("pgplex.yaml"), "the configuration; config.example.yaml has every key")],
    ["SEE ALSO", [".BR psql (1),\n.BR pgbouncer (1)"]],
  ];
  const head = `.TH PGPLEX 1 "${date}" "pgplex ${version}" "PostgreSQL proxy"\n`;
  return head + sections.map(([title, lines]) => `.SH ${title}\n${lines.join("\n")}\n`).join("");
}

function headOf({ flag, value }: UsageOption): string {
  return value === null ? bold(flag) : `.BI "${escaped(flag)} " ${value}`;
}

function bold(text: string): string {
  return `.B ${escaped(text)}`;
}

function described(head: string, doc: string): string[] {
  return [`.TP\n${head}\n${escaped(doc)}`];
}

/** What troff would take for its own, and minus signs, which are typed as they are read. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^([.'])/, "\\&$1");
}
