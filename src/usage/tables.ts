/** One option. */
export interface UsageOption {
  readonly flag: string;
  /** What stands behind it: `FILE` or `NAME`; null for a switch. */
  readonly value: "FILE" | "NAME" | null;
  readonly doc: string;
}

/** One way to call pgplex. */
export interface UsageCommand {
  /** Null: pgplex itself. */
  readonly name: string | null;
  /** How it is written, behind `pgplex`. */
  readonly synopsis: string;
  /** Words that stand behind its name. */
  readonly words: readonly string[];
  readonly options: readonly string[];
  /** What it does, in one line; null for pgplex itself. */
  readonly doc: string | null;
}

/** The options, in the order of the help. */
export const USAGE_OPTIONS: readonly UsageOption[] = [
  {
    flag: "--config",
    value: "FILE",
    doc: "the configuration, pgplex.yaml by default; config.example.yaml explains every key",
  },
  {
    flag: "--check",
    value: null,
    doc:
      "validate the configuration, try the etcd that it names, and exit: 0 when all is good, 1 when it is not",
  },
  {
    flag: "--health",
    value: null,
    doc: "ask the pgplex of this configuration whether it accepts connections: 0 or 1",
  },
  { flag: "--version", value: null, doc: "print the version and exit" },
  { flag: "--help", value: null, doc: "print this text and exit" },
];

/** An option that one command has for itself. */
export const CLUSTER_OPTION: UsageOption = { flag: "--cluster", value: "NAME", doc: "the cluster" };

/** The commands, pgplex itself first. */
export const USAGE_COMMANDS: readonly UsageCommand[] = [
  {
    name: null,
    synopsis: "[--config FILE]",
    words: [],
    options: USAGE_OPTIONS.map(({ flag }) => flag),
    doc: null,
  },
  {
    name: "schema",
    synopsis: "schema install|upgrade|remove|show --cluster NAME [--config FILE]",
    words: ["install", "upgrade", "remove", "show"],
    options: ["--cluster", "--config"],
    doc: "the schema pgplex on a cluster's servers, by its superuser; docs/FENCING.md says what is in it",
  },
  {
    name: "import",
    synopsis: "import pgbouncer.ini > pgplex.yaml",
    words: [],
    options: [],
    doc:
      "print the configuration that does what this one of PgBouncer does; docs/FROM_PGBOUNCER.md has the table",
  },
];

/** What each signal does. */
export const USAGE_SIGNALS: readonly (readonly [signals: string, effect: string])[] = [
  ["SIGHUP", "reads the configuration again"],
  ["SIGUSR1", "pauses all databases"],
  ["SIGUSR2", "resumes them"],
  ["SIGTERM", "drains and stops, as shutdown_wait_for says"],
  ["SIGINT", "waits for transactions and stops; another one stops at once"],
  ["SIGQUIT", "stops at once"],
];

/** What each exit code means. */
export const USAGE_EXIT_CODES: readonly (readonly [code: number, meaning: string])[] = [
  [0, "clean stop"],
  [1, "failure while running (or as --check and --health say)"],
  [2, "bad usage or configuration"],
];
