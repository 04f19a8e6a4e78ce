/** Random numbers from a seed. */
export interface Random {
  /** An unsigned 32-bit integer. */
  next(): number;
  /** From 0 to `max` - 1. */
  below(max: number): number;
}

/** Mulberry32: small, and good enough to choose statements by. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
  return { next, below: (max) => next() % max };
}

type Change = [sql: string, then: () => void];

/** What a transaction that is rolled back takes back. */
interface Transactional {
  values: Map<string, string>;
  role: string | null;
  table: number[] | null;
}

/** The values that sessions set; what a session shows that set none is in the model. */
const CHOICES: Record<string, readonly string[]> = {
  work_mem: ["5MB", "6MB", "7MB"],
  "myapp.tenant": ["a", "b", "it''s c"],
  "myapp.other": ["x", "y"],
  TimeZone: ["UTC", "Asia/Tokyo", "America/Lima"],
  lock_timeout: ["41s", "42s"],
  extra_float_digits: ["0", "-3"],
  application_name: ["one", "two"],
  search_path: ["s1", "s2", "s3, public"],
  default_transaction_isolation: ["serializable", "repeatable read"],
};

/** What one session has set and made, as PostgreSQL would keep it: a transaction's changes are undone by its rollback. */
export class SessionModel {
  readonly #defaults: ReadonlyMap<string, string>;
  #state: Transactional;
  #before: Transactional | null = null;
  /** By name: what the statement returns. Not transactional. */
  readonly statements = new Map<string, string>();
  /** How often the session's own advisory lock is held. Not transactional. */
  locks = 0;
  failed = false;
  readonly #id: number;

  constructor(id: number, given: { applicationName: string; searchPath: string | null }) {
    this.#id = id;
    this.#defaults = new Map([
      ["work_mem", "4MB"],
      ["myapp.tenant", ""],
      ["myapp.other", ""],
      ["TimeZone", "UTC"],
      ["lock_timeout", "0"],
      ["extra_float_digits", "1"],
      ["application_name", given.applicationName],
      ["search_path", given.searchPath ?? '"$user", public'],
      ["default_transaction_isolation", "read committed"],
    ]);
    this.#state = { values: new Map(this.#defaults), role: null, table: null };
  }

  get inTransaction(): boolean {
    return this.#before !== null;
  }

  /** Rows of the temporary table, or null when there is none. */
  get table(): number[] | null {
    return this.#state.table;
  }

  set table(rows: number[] | null) {
    this.#state.table = rows;
  }

  /** The login role makes a temporary table of one row. */
  makeTable(v: number): void {
    this.#state.role = null;
    this.table = [v];
  }

  /** The login role, which owns it, drops it. */
  dropTable(): void {
    this.#state.role = null;
    this.table = null;
  }

  /** Whether the session needs its connection beyond its transaction. */
  get pinned(): boolean {
    return this.locks > 0 || this.table !== null;
  }

  get user(): string {
    return this.#state.role ?? "app";
  }

  /** The schema in which an unqualified table is found first. */
  get schema(): string {
    const path = this.#state.values.get("search_path")!;
    return path.startsWith('"$user"') ? "public" : path.split(",")[0]!;
  }

  /** One row of one value that shows everything. */
  get question(): string {
    const settings = [...this.#defaults.keys()].map((name) =>
      `coalesce(current_setting('${name}', true), '')`
    );
    return `SELECT concat_ws('|', current_user, session_user, ${settings.join(", ")}, ` +
      `(SELECT string_agg(objid::text, ',') FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()))`;
  }

  /** What {@link question} must show. */
  get answer(): string {
    const settings = [...this.#state.values.values()];
    return [this.user, "app", ...settings, ...(this.locks > 0 ? [String(this.#id)] : [])].join("|");
  }

  begin(): void {
    const { values, role, table } = this.#state;
    this.#before = { values: new Map(values), role, table };
  }

  commit(): void {
    this.#before = null;
  }

  rollback(): void {
    this.#state = this.#before!;
    this.#before = null;
  }

  /** A change of a setting, by one of the ways that there are. */
  set(random: Random): Change {
    const names = Object.keys(CHOICES);
    const name = names[random.below(names.length)]!;
    const choices = CHOICES[name]!;
    const value = choices[random.below(choices.length)]!;
    const { values } = this.#state;
    const shown = value.replaceAll("''", "'");
    const then = () => values.set(name, shown);
    switch (random.below(6)) {
      case 0:
        return [`RESET ${name}`, () => values.set(name, this.#defaults.get(name)!)];
      case 1:
        return [`SELECT set_config('${name}', '${value}', false)`, then];
      case 2:
        return [`SELECT public.set_it('${name}', '${value}')`, then];
      case 3:
        return [`DO $$ BEGIN PERFORM set_config('${name}', '${value}', false); END $$`, then];
      case 4:
        // Outside of a transaction it ends with the statement, and inside the model would have to know more.
        return [`SET LOCAL lock_timeout = '${values.get("lock_timeout")}'`, () => {}];
      default:
        return [`SET ${name} = ${name === "search_path" ? value : `'${value}'`}`, then];
    }
  }

  /** A change of the role. */
  role(random: Random): Change {
    const role = [null, "red", "green", "blue"][random.below(4)]!;
    return role === null
      ? ["RESET ROLE", () => this.#state.role = null]
      : [random.below(2) === 0 ? `SET ROLE ${role}` : `SELECT public.set_it('role', '${role}')`, () => {
        this.#state.role = role;
      }];
  }

  resetAll(): void {
    for (const [name, value] of this.#defaults) this.#state.values.set(name, value);
  }

  discardAll(): void {
    this.#state = { values: new Map(this.#defaults), role: null, table: null };
    this.statements.clear();
    this.locks = 0;
  }
}
