import {
  type BuiltInCase,
  type Case,
  caseName,
  middlePart,
  type Script,
  type TargetName,
} from "./options.ts";
import type { IdleMemory } from "./idle_clients.ts";

/** One run of one case on one target. */
export interface Sample {
  readonly tps: number;
  readonly p99Us: number;
  /** The proxy's CPU time per transaction in microseconds; null where there is no proxy. */
  readonly cpuUs: number | null;
}

/** All that was measured. */
export interface Results {
  readonly cases: readonly Case[];
  readonly targets: readonly TargetName[];
  /** By {@link resultKey}; a case that a target cannot do has no samples. */
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
  /** What was run on `pgplex` and on `pgplex-off`. */
  readonly stateCheckCases: readonly Case[];
  /** As {@link samples}. */
  readonly stateCheckSamples: ReadonlyMap<string, readonly Sample[]>;
  readonly memory: ReadonlyMap<TargetName, IdleMemory>;
  /** Lines that say where and how it was measured. */
  readonly circumstances: readonly string[];
  /** What went wrong on the way. */
  readonly remarks: readonly string[];
}

/** The key of one case on one target in {@link Results.samples}. */
export function resultKey(load: Case, target: TargetName): string {
  return `${caseName(load)} ${target}`;
}

const HEADINGS: Readonly<Record<Script, string>> = {
  S: "pgbench -S: one SELECT by primary key",
  B: "pgbench's TPC-B-like transaction: seven statements",
  C: "pgbench -S -C: a connection per transaction",
  R: "pgbench -S on a standby: sessions with intent=read",
};

/** The results as markdown, without a heading of its own. */
export function renderReport(results: Results): string {
  const parts = [results.circumstances.map((line) => `- ${line}`).join("\n")];
  for (const script of ["S", "B", "C", "R"] as const) {
    const cases = results.cases.filter((load): load is BuiltInCase => load.script === script);
    if (cases.length === 0) continue;
    let borrowed = false;
    const rows = cases.map((load) => {
      const base = baseline(results, load);
      borrowed ||= base.borrowed;
      return row(results, load, base);
    });
    parts.push(`### ${HEADINGS[script]}`, table(HEAD, rows));
    if (borrowed) {
      parts.push("\\* ratio to PgBouncer's figure for `extended`, as it could not run `prepared`.");
    }
  }
  if (results.cases.some((load) => load.script === "state")) {
    parts.push(
      "### Session state",
      "What exactness costs: statements that set state, take it back, or may change it. PgBouncer leaves their effects on the " +
        "connection, for whoever gets it next. `tests/bench/state_scripts.ts` has the scripts.",
      stateTable(results),
    );
  }
  if (results.stateCheckCases.length > 0) {
    parts.push(
      "### What state_check costs",
      "pgplex with `state_check: learn` beside pgplex with `state_check: off`; ratio: learn to off.",
      pairTable(results.stateCheckCases, results.stateCheckSamples, [
        { name: "pgplex-off", title: "off" },
        { name: "pgplex", title: "learn" },
      ]),
    );
  }
  if (results.targets.includes("before") && results.targets.includes("pgplex")) {
    parts.push(
      "### Beside the pgplex before",
      pairTable(results.cases, results.samples, [
        { name: "before", title: "before" },
        { name: "pgplex", title: "now" },
      ]),
    );
  }
  if (results.memory.size > 0) parts.push("### Resident memory with idle clients", memoryTable(results));
  if (results.remarks.length > 0) {
    parts.push(
      "### Remarks",
      results.remarks.map((line) => `- ${line}`).join("\n"),
    );
  }
  return parts.join("\n\n") + "\n";
}

const HEAD = [
  "protocol",
  "clients",
  "tps direct",
  "PgBouncer",
  "pgplex",
  "ratio",
  "p99 ms direct",
  "PgBouncer",
  "pgplex",
  "ratio",
  "CPU µs/tx PgBouncer",
  "pgplex",
  "ratio",
];

/** The middle value, or the mean of the two in the middle; NaN of none. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

interface Baseline {
  readonly load: BuiltInCase;
  readonly borrowed: boolean;
}

/** The case whose PgBouncer figures stand for `load`: an old PgBouncer cannot run prepared statements. */
function baseline(results: Results, load: BuiltInCase): Baseline {
  const extended: BuiltInCase = { ...load, protocol: "extended" };
  const has = (one: Case) => (results.samples.get(resultKey(one, "pgbouncer"))?.length ?? 0) > 0;
  const borrowed = load.protocol === "prepared" && !has(load) && has(extended);
  return { load: borrowed ? extended : load, borrowed };
}

/** The median of one figure of all rounds; NaN where there is none. */
function medianOf(
  samples: readonly Sample[] | undefined,
  of: (sample: Sample) => number | null,
): number {
  return median((samples ?? []).map((sample) => of(sample) ?? NaN));
}

/** Two pgplexes beside each other: medians, and the second's ratio to the first. */
function pairTable(
  cases: readonly Case[],
  samples: Results["samples"],
  [first, second]: readonly [PairTarget, PairTarget],
): string {
  const columns = (what: string) => [`${what} ${first.title}`, second.title, "ratio"];
  const head = ["pgbench", "protocol", "clients", ...columns("tps"), ...columns("CPU µs/tx")];
  const rows = cases.map((load) => {
    const cells = (of: (sample: Sample) => number | null, digits: number) => {
      const [a, b] = [first, second].map(({ name }) => medianOf(samples.get(resultKey(load, name)), of));
      return [number(a!, digits), number(b!, digits), number(b! / a!, 2)];
    };
    return [
      SCRIPTS[load.script],
      middlePart(load),
      String(load.clients),
      ...cells((sample) => sample.tps, 0),
      ...cells((sample) => sample.cpuUs, 1),
    ];
  });
  return table(head, rows);
}

/** One of two that are compared, and how the table calls it. */
interface PairTarget {
  readonly name: TargetName;
  readonly title: string;
}

const SCRIPTS: Readonly<Record<Case["script"], string>> = {
  S: "-S",
  B: "TPC-B",
  C: "-S -C",
  R: "-S, read",
  state: "state",
};

/** The cases `state:*`: the tps of each target, and pgplex's ratio to PgBouncer. */
function stateTable({ cases, targets, samples }: Results): string {
  const head = [
    "case",
    "clients",
    ...targets.map((name, i) => (i === 0 ? "tps " : "") + title(name)),
    "ratio",
  ];
  const rows = cases.filter((load) => load.script === "state").map((load) => {
    const tps = (name: TargetName) => medianOf(samples.get(resultKey(load, name)), (sample) => sample.tps);
    return [
      middlePart(load),
      String(load.clients),
      ...targets.map((name) => number(tps(name), 0)),
      number(tps("pgplex") / tps("pgbouncer"), 2),
    ];
  });
  return table(head, rows);
}

function title(name: TargetName): string {
  return name === "pgbouncer" ? "PgBouncer" : name;
}

function row(results: Results, load: BuiltInCase, base: Baseline): string[] {
  const pick = (one: Case, target: TargetName, of: (sample: Sample) => number | null) =>
    medianOf(results.samples.get(resultKey(one, target)), of);
  const ratio = (of: (sample: Sample) => number | null) => {
    const value = pick(load, "pgplex", of) / pick(base.load, "pgbouncer", of);
    return Number.isFinite(value) ? value.toFixed(2) + (base.borrowed ? "\\*" : "") : "n/a";
  };
  const cells = (of: (sample: Sample) => number | null, digits: number, targets: TargetName[]) =>
    targets.map((target) => number(pick(load, target, of), digits)).concat(ratio(of));
  return [
    load.protocol,
    String(load.clients),
    ...cells((sample) => sample.tps, 0, ["direct", "pgbouncer", "pgplex"]),
    ...cells((sample) => sample.p99Us / 1000, 2, ["direct", "pgbouncer", "pgplex"]),
    ...cells((sample) => sample.cpuUs, 1, ["pgbouncer", "pgplex"]),
  ];
}

function memoryTable(results: Results): string {
  const head = [
    "proxy",
    "clients",
    "before MB",
    "logged in MB",
    "kB/client",
    "after a statement each MB",
    "kB/client",
  ];
  const rows = [...results.memory].map(([target, memory]) => {
    const perClient = (bytes: number) => number((bytes - memory.baseBytes) / memory.clients / 1024, 1);
    const { baseBytes, loggedInBytes, usedBytes } = memory;
    return [
      title(target),
      String(memory.clients),
      number(baseBytes / 2 ** 20, 1),
      number(loggedInBytes / 2 ** 20, 1),
      perClient(loggedInBytes),
      number(usedBytes / 2 ** 20, 1),
      perClient(usedBytes),
    ];
  });
  return table(head, rows);
}

/** A markdown table whose columns are aligned, as `deno fmt` wants it: the first to the left, numbers to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, 4, ...rows.map((cells) => cells[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${
      cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join(" | ")
    } |`;
  const rule = widths.map((width, i) => i === 0 ? "-".repeat(width) : "-".repeat(width - 1) + ":");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "n/a";
}

const BEGIN = "<!-- bench:begin, written by `deno task bench --out` -->";
const END = "<!-- bench:end -->";

/** `document` with the marked section replaced by `section`; the section goes to its end where there are no markers. */
export function replaceSection(document: string, section: string): string {
  const marked = `${BEGIN}\n\n${section.trim()}\n\n${END}`;
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END, begin);
  if (begin >= 0 && end >= 0) return document.slice(0, begin) + marked + document.slice(end + END.length);
  const head = document.trim() === "" ? "# Performance" : document.trimEnd();
  return `${head}\n\n${marked}\n`;
}
