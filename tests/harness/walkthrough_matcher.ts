import assert from "node:assert/strict";

/** Columns whose values are other ones in each run, but the same ones all through it. */
const IDS = new Set(["id", "session", "server", "ptr", "link", "remote_pid"]);

/** Columns of times and places: they only look alike. */
const ALIKE =
  /^(since|pinned_since|connected|\w+_time|wait|wait_ms|wait_us|maxwait|maxwait_us|address|port)$/;

/** Stands for rows, or lines of a record, that the document leaves out. */
const LEFT_OUT = "…";

interface Row {
  readonly cells: ReadonlyMap<string, string>;
  /** More cells, or more rows behind it, may come. */
  readonly open: boolean;
}

/** Compares what psql shows with what a document says that it shows. */
export class Matcher {
  /** By the document's id: this run's. */
  readonly #ids: Map<string, string>;

  constructor(ids: ReadonlyMap<string, string> = new Map()) {
    this.#ids = new Map(ids);
  }

  /** One to try with. */
  fork(): Matcher {
    return new Matcher(this.#ids);
  }

  /** What the fork found out holds. */
  accept(fork: Matcher): void {
    for (const [id, actual] of fork.#ids) this.#ids.set(id, actual);
  }

  /** A command of the document with the ids of this run. */
  actual(command: string): string {
    return command.replace(/\b(KILL_CLIENT |STATE |sessions\.)(\d+)/, (_, before: string, id: string) => {
      const actual = this.#ids.get(id);
      assert.ok(actual !== undefined, `${command} names an id that was shown before`);
      return before + actual;
    });
  }

  /** @throws AssertionError where `actual` is not what `expected` says */
  check(actual: string, expected: string, where: string): void {
    const [got, wanted] = [tableOf(actual), tableOf(expected)];
    if (wanted === null || got === null) {
      const start = expected.endsWith(`\n${LEFT_OUT}`) ? expected.slice(0, -LEFT_OUT.length) : null;
      if (start !== null) return assert.ok(actual.startsWith(start), `${where}: shown is\n${actual}`);
      return assert.equal(trimmed(actual), trimmed(expected), where);
    }
    let next = 0;
    for (const row of wanted.rows) {
      if (row === LEFT_OUT) continue;
      // Behind rows that are left out the next one that fits counts.
      const skips = wanted.rows[wanted.rows.indexOf(row) - 1] === LEFT_OUT;
      while (skips && next < got.rows.length && !this.fork().#fits(got.rows[next] as Row, row)) next++;
      const candidate = got.rows[next++] as Row | undefined;
      assert.ok(candidate !== undefined, `${where}: a row is missing: ${show(row)} in\n${actual}`);
      assert.ok(
        this.#fits(candidate, row),
        `${where}: shown is\n${show(candidate)}\ninstead of\n${show(row)}`,
      );
    }
    if (wanted.rows.at(-1) !== LEFT_OUT && !wanted.open) {
      assert.equal(got.rows.length, next, `${where}: more rows than expected:\n${actual}`);
    }
    assert.equal(trimmed(got.footer), trimmed(wanted.open ? got.footer : wanted.footer), where);
  }

  #fits(got: Row, wanted: Row): boolean {
    const names = [...wanted.cells.keys()];
    if (!wanted.open && names.join() !== [...got.cells.keys()].join()) return false;
    return names.every((name) => {
      const value = got.cells.get(name);
      return value !== undefined && this.#same(name, value, wanted.cells.get(name)!);
    });
  }

  #same(name: string, got: string, wanted: string): boolean {
    if (ALIKE.test(name)) return alike(got) === alike(wanted);
    if (!IDS.has(name) || !/\d/.test(wanted)) return got === wanted;
    const known = this.#ids.get(wanted);
    if (known === undefined) this.#ids.set(wanted, got);
    return known === undefined || known === got;
  }
}

interface ShownTable {
  readonly rows: (Row | typeof LEFT_OUT)[];
  /** `(1 row)`, and what stands behind. */
  readonly footer: string;
  /** The document leaves its end out. */
  readonly open: boolean;
}

/** A result as psql shows it, aligned or expanded; null for anything else. */
function tableOf(text: string): ShownTable | null {
  const lines = text.split("\n");
  if (/^-\[ RECORD 1 \]/.test(lines[0]!)) return expandedOf(lines);
  if (!/^-+(\+-+)*$/.test(lines[1] ?? "")) return null;
  const names = cellsOf(lines[0]!);
  const rows: ShownTable["rows"] = [];
  let at = 2;
  for (; at < lines.length && !/^\(\d+ rows?\)$/.test(lines[at]!); at++) {
    if (lines[at] === LEFT_OUT) rows.push(LEFT_OUT);
    else if (lines[at] !== "") {
      const cells = cellsOf(lines[at]!);
      rows.push({ cells: new Map(names.map((name, i) => [name, cells[i] ?? ""])), open: false });
    }
  }
  return { rows, footer: lines.slice(at).join("\n"), open: rows.at(-1) === LEFT_OUT };
}

function expandedOf(lines: readonly string[]): ShownTable {
  const rows: { cells: Map<string, string>; open: boolean }[] = [];
  for (const line of lines) {
    if (/^-\[ RECORD \d+ \]/.test(line)) rows.push({ cells: new Map(), open: false });
    else if (line === LEFT_OUT) rows.at(-1)!.open = true;
    else if (line.includes("|")) {
      const [name, ...value] = line.split("|");
      rows.at(-1)!.cells.set(name!.trim(), value.join("|").trim());
    }
  }
  return { rows, footer: "", open: rows.at(-1)!.open };
}

function cellsOf(line: string): string[] {
  return line.split("|").map((cell) => cell.trim());
}

function alike(value: string): string {
  return value.replace(/\d+/g, "#");
}

function trimmed(text: string): string {
  return text.split("\n").map((line) => line.trimEnd()).join("\n").trim();
}

function show(row: Row | typeof LEFT_OUT): string {
  return row === LEFT_OUT ? row : [...row.cells].map(([name, value]) => `${name}=${value}`).join(", ");
}
