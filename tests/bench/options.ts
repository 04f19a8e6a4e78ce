import { parseArgs } from "node:util";
import { STATE_NAMES, STATE_SCRIPTS, type StateName } from "./state_scripts.ts";

/**
 * What pgbench has built in: `S` is `-S`, `B` is its TPC-B-like default, `C` is `-S` with a connection per transaction, `R` is `-S` of
 * sessions with `intent=read` where the primary has a standby.
 */
export type Script = "S" | "B" | "C" | "R";

/** pgbench's `-M`. */
export type Protocol = "simple" | "extended" | "prepared";

/**
 * Where pgbench connects. `before` is another pgplex, the one of `$PGPLEX_BEFORE_BIN`; `pgplex-off` is a pgplex with
 * `state_check: off`, for {@link BenchOptions.stateCheckCases} only.
 */
export type TargetName = "direct" | "pgbouncer" | "before" | "pgplex" | "pgplex-off";

/** A script that pgbench has built in. */
export interface BuiltInCase {
  readonly script: Script;
  readonly protocol: Protocol;
  readonly clients: number;
}

/** One of {@link STATE_SCRIPTS}. */
export interface StateCase {
  readonly script: "state";
  readonly name: StateName;
  readonly protocol: "simple";
  readonly clients: number;
}

/** One load: the same for all targets. */
export type Case = BuiltInCase | StateCase;

/** What the command line asks for. */
export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly scale: number;
  readonly poolSize: number;
  /** PostgreSQL's major version. */
  readonly major: number;
  readonly cases: readonly Case[];
  readonly targets: readonly TargetName[];
  /** What is run with `state_check: learn` and `off`; none leaves that out. */
  readonly stateCheckCases: readonly BuiltInCase[];
  /** Clients for the measurement of memory; 0 leaves it out. */
  readonly idleClients: number;
  /** A markdown file whose marked section is replaced. */
  readonly out: string | null;
  /** More flags for the Deno that runs pgplex, such as `--cpu-prof`. */
  readonly denoFlags: readonly string[];
}

/** The text of `--help`. */
export const USAGE = `Usage: deno task bench [options]

Runs pgbench direct, through PgBouncer and through pgplex, in turn, and prints medians as markdown.

  --rounds N        rounds per case (3)
  --seconds N       seconds per run (5)
  --warmup N        seconds for each protocol and target before the first round, twice (2)
  --only LIST       cases as script:protocol:clients; parts may be * : S:simple:16,S:prepared:*,C:*:16
                    scripts: S (-S), B (TPC-B), C (-S with a connection per transaction), R (-S with intent=read and a
                    standby, which direct connects to and PgBouncer knows nothing of); with state a name stands
                    in place of the protocol, which is simple: state:*, state:set-role, state:set:64
                    names: set-config-local, set, set-search-path, set-timeout, discard-all, driver-reset, set-role,
                    function, call, do, xact-lock, temp-table, set-local
  --targets LIST    of direct,pgbouncer,pgplex (all of these) and before, the pgplex of PGPLEX_BEFORE_BIN
  --quick           1 round of 2 seconds, S and C at 16 clients, 1,000 idle clients
  --state-check W   what state_check costs: yes, no, or only this (yes); needs the target pgplex
  --idle N          idle clients for the measurement of memory (5000); 0 leaves it out
  --scale N         pgbench's scale (10)
  --pool-size N     server connections of each pooler (20)
  --pg MAJOR        PostgreSQL's major version (18)
  --deno-flags "F"  more flags for the Deno that runs pgplex
  --out FILE        also writes the result into FILE, between its markers

Environment: PGPLEX_BIN names a pgplex executable (else main.ts is run), PGPLEX_BEFORE_BIN another to compare it with,
PGBOUNCER_BIN a pgbouncer, PGBENCH_BIN a pgbench.`;

const PROTOCOLS: readonly Protocol[] = ["simple", "extended", "prepared"];
const CLIENTS: readonly number[] = [1, 16, 64, 256];
const TARGETS: readonly TargetName[] = ["direct", "pgbouncer", "before", "pgplex"];
const USUAL_TARGETS: readonly TargetName[] = ["direct", "pgbouncer", "pgplex"];

/** All cases, in the order of the report. */
export function allCases(): Case[] {
  return [...builtInCases(), ...stateCases()];
}

function builtInCases(): BuiltInCase[] {
  const cases: BuiltInCase[] = [];
  for (const script of ["S", "B"] as const) {
    for (const protocol of PROTOCOLS) {
      for (const clients of CLIENTS) cases.push({ script, protocol, clients });
    }
  }
  for (const clients of CLIENTS) cases.push({ script: "C", protocol: "simple", clients });
  for (const protocol of ["simple", "prepared"] as const) cases.push({ script: "R", protocol, clients: 16 });
  return cases;
}

/** What shows the cost of exact session state: each of {@link STATE_SCRIPTS} with its usual numbers of clients. */
function stateCases(): StateCase[] {
  return STATE_NAMES.flatMap((name) =>
    STATE_SCRIPTS[name].clients.map((clients) => ({ script: "state", name, protocol: "simple", clients }))
  );
}

/** What shows the cost of `state_check`: few statements a transaction, and many, looked at as texts and as fingerprints. */
export function stateCheckCases(): BuiltInCase[] {
  return (["S", "B"] as const).flatMap((script) =>
    (["simple", "extended"] as const).map((protocol) => ({ script, protocol, clients: 16 }))
  );
}

/** `S:simple:16`, `state:set-role:16`. */
export function caseName(load: Case): string {
  return `${load.script}:${middlePart(load)}:${load.clients}`;
}

/** What stands between the script and the number of clients in a case's name. */
export function middlePart(load: Case): Protocol | StateName {
  return load.script === "state" ? load.name : load.protocol;
}

/**
 * The cases that `list` names, in its order; a number of clients that is not usual for any of them makes cases of its own.
 *
 * @throws {Error} that names the part that fits no case.
 */
export function selectCases(list: string): Case[] {
  const selected = new Map<string, Case>();
  for (const pattern of list.split(",").map((part) => part.trim()).filter((part) => part !== "")) {
    const [script = "*", middle = "*", clients = "*", ...rest] = pattern.split(":");
    const named = allCases().filter((one) =>
      rest.length === 0 && (script === "*" || script === one.script) &&
      (middle === "*" || middle === middlePart(one))
    );
    let matches = named.filter((one) => clients === "*" || clients === String(one.clients));
    if (matches.length === 0 && /^[1-9]\d*$/.test(clients)) {
      matches = named.map((one) => ({ ...one, clients: Number(clients) }));
    }
    if (matches.length === 0) {
      throw new Error(`--only must name cases such as S:simple:16, B:*:64 or state:*: received "${pattern}"`);
    }
    for (const one of matches) selected.set(caseName(one), one);
  }
  if (selected.size === 0) throw new Error("--only must name at least one case: received none");
  return [...selected.values()];
}

/** What `args` ask for, or `"help"`. @throws {Error} that says what was found and what was expected. */
export function parseOptions(args: string[]): BenchOptions | "help" {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const { values } = parseArgs({
    args,
    options: {
      "help": flag,
      "quick": flag,
      "rounds": text,
      "seconds": text,
      "warmup": text,
      "only": text,
      "targets": text,
      "idle": text,
      "state-check": text,
      "scale": text,
      "pool-size": text,
      "pg": text,
      "deno-flags": text,
      "out": text,
    },
  });
  if (values.help) return "help";
  const quick = values.quick ?? false;
  const targets = (values.targets ?? USUAL_TARGETS.join(",")).split(",");
  const unknown = targets.find((name) => !TARGETS.some((target) => target === name));
  if (unknown !== undefined) {
    throw new Error(`--targets must be of ${TARGETS.join(", ")}: received "${unknown}"`);
  }
  const stateCheck = values["state-check"] ?? "yes";
  if (!["yes", "no", "only"].includes(stateCheck)) {
    throw new Error(`--state-check must be of yes, no, only: received "${stateCheck}"`);
  }
  const alone = stateCheck === "only";
  if (alone && !targets.includes("pgplex")) {
    throw new Error(`--state-check only must have the target pgplex: received "${values.targets}"`);
  }
  return {
    rounds: count("rounds", values.rounds, quick ? 1 : 3, 1),
    seconds: count("seconds", values.seconds, quick ? 2 : 5, 1),
    warmupSeconds: count("warmup", values.warmup, quick ? 1 : 2, 0),
    scale: count("scale", values.scale, 10, 1),
    poolSize: count("pool-size", values["pool-size"], 20, 1),
    major: count("pg", values.pg, 18, 12),
    cases: alone
      ? []
      : values.only !== undefined
      ? selectCases(values.only)
      : quick
      ? selectCases("S:*:16,C:*:16")
      : allCases(),
    targets: TARGETS.filter((target) => targets.includes(target)),
    stateCheckCases: stateCheck === "no" || !targets.includes("pgplex") ? [] : stateCheckCases(),
    idleClients: alone ? 0 : count("idle", values.idle, quick ? 1000 : 5000, 0),
    out: values.out ?? null,
    denoFlags: (values["deno-flags"] ?? "").split(/\s+/).filter((part) => part !== ""),
  };
}

function count(name: string, given: string | undefined, otherwise: number, min: number): number {
  if (given === undefined) return otherwise;
  const value = Number(given);
  if (Number.isInteger(value) && value >= min) return value;
  throw new Error(`--${name} must be a whole number from ${min}: received "${given}"`);
}
