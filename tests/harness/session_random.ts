import { frontend } from "./mod.ts";
import type { Random } from "./isolation_model.ts";

const { bind, close, concat, execute, parse, query, sync } = frontend;

/** What a client sends in one write, and how many ReadyForQuery answer it. */
export interface RandomStep {
  readonly shown: string;
  readonly bytes: Uint8Array;
  readonly readies: number;
}

/** Schemas, functions, a trigger and a procedure that set things. Each is named with its schema: the search_path changes. */
export const RANDOM_SETUP = `
  CREATE SCHEMA one; CREATE SCHEMA two; GRANT ALL ON SCHEMA one, two TO PUBLIC;
  CREATE TABLE one.here AS SELECT 'one' AS v; CREATE TABLE two.here AS SELECT 'two' AS v;
  CREATE TABLE public.here AS SELECT 'public' AS v; CREATE TABLE public.t (id int, v text);
  GRANT SELECT ON one.here, two.here, public.here TO PUBLIC; GRANT ALL ON public.t TO PUBLIC;
  CREATE FUNCTION public.set_it(name text, value text) RETURNS text LANGUAGE plpgsql AS
    $$ BEGIN RETURN set_config(name, value, false); END $$;
  CREATE FUNCTION public.on_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('by.trigger', NEW.v, false);
    IF NEW.id = 1 THEN SET work_mem = '41MB'; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER t AFTER INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.on_insert();
  CREATE PROCEDURE public.commits(n int) LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('by.procedure', n::text, false);
    COMMIT;
    SET lock_timeout = '9s';
    IF n > 1 THEN ROLLBACK; END IF;
    PERFORM set_config('by.procedure2', n::text, false);
  END $$;
  CREATE FUNCTION public.catches(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
    SET work_mem = '33MB';
    IF n > 1 THEN RAISE 'not caught'; END IF;
    BEGIN SET TimeZone = 'Asia/Aden'; RAISE 'caught'; EXCEPTION WHEN OTHERS THEN NULL; END;
    RETURN n;
  END $$;
  GRANT TEMPORARY ON DATABASE :database TO PUBLIC;
  SELECT pg_replication_origin_create('of ' || current_database());
`;

/** Settings that every look shows; a custom one that nobody has set reads as one that was reset. */
const SHOWN = [
  ...["role", "search_path", "work_mem", "lock_timeout", "TimeZone", "application_name", "client_encoding"],
  ...["default_transaction_isolation", "session_replication_role", "row_security", "DateStyle"],
  ...["standard_conforming_strings", "idle_session_timeout", "transaction_isolation"],
];
const CUSTOM = ["a.b", "a.c", "a.é", "by.trigger", "by.procedure", "by.procedure2", "by.computed"];

const LOOK = `SELECT current_user, session_user, (SELECT string_agg(v, ',') FROM here), ${
  [
    ...SHOWN.map((name) => `current_setting('${name}')`),
    ...CUSTOM.map((name) => `nullif(current_setting('${name}', true), '')`),
  ].join(", ")
}`;

const NAMES = "SELECT name, from_sql FROM pg_prepared_statements ORDER BY name";

const VALUES: readonly (readonly [name: string, values: readonly string[]])[] = [
  ["work_mem", ["5MB", "6MB"]],
  ["a.b", ["x", "y"]],
  ["a.é", ["é", "☃"]],
  ["a.c", ["1", "2"]],
  ["lock_timeout", ["3s", "4s"]],
  ["application_name", ["first", "second", ""]],
  ["search_path", ["one", "two", "one, public"]],
  ["TimeZone", ["UTC", "Asia/Tokyo"]],
  ["role", ["r1", "r2", "none"]],
  ["default_transaction_isolation", ["serializable", "read committed"]],
  ["client_encoding", ["UTF8", "LATIN1", "LATIN9", "SQL_ASCII"]],
  ["row_security", ["on", "off"]],
  ["DateStyle", ["German", "ISO, DMY"]],
  ["idle_session_timeout", ["1h", "2h", "0"]],
  ["no_such", ["1"]],
  ["session_authorization", ["app", "r1"]],
  ["session_replication_role", ["replica", "origin"]],
];

/** What keeps the session on its connection, and what ends that. */
const PINNING = [
  ...["SELECT pg_advisory_lock(0)", "SELECT pg_advisory_lock(1)", "SELECT pg_advisory_unlock(0)"],
  ...["SELECT pg_advisory_unlock_all()", "CREATE TEMP TABLE held (v int)", "DROP TABLE held"],
  ...["SELECT count(*) FROM held", "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "CLOSE c", "FETCH c"],
  ...["DISCARD TEMP", "CLOSE ALL"],
  ...[
    "SELECT pg_advisory_lock_shared(2)",
    "SELECT pg_try_advisory_lock(3, 4)",
    "SELECT pg_advisory_unlock_shared(2)",
  ],
  ...[
    "SELECT pg_advisory_xact_lock(5)",
    'DECLARE "cé" CURSOR WITH HOLD FOR SELECT 2',
    'FETCH "cé"',
    'CLOSE "cé"',
  ],
  ...[
    'CREATE COLLATION pg_temp.co FROM "C"',
    "DROP COLLATION pg_temp.co",
    "SELECT 'a' < 'b' COLLATE pg_temp.co",
  ],
  ...[
    "CREATE TEXT SEARCH CONFIGURATION pg_temp.ts (COPY = simple)",
    "SELECT to_tsvector('pg_temp.ts', 'a')",
    "DROP TEXT SEARCH CONFIGURATION pg_temp.ts",
    "CREATE CONVERSION pg_temp.cv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "DROP CONVERSION pg_temp.cv",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 5'",
    "SELECT pg_temp.f()",
    "DROP FUNCTION pg_temp.f()",
  ],
  ...[
    "DO $$ BEGIN PERFORM setseed(0.5); END $$; SELECT random()",
    "SELECT pg_replication_origin_session_setup('of ' || current_database())",
    "SELECT pg_replication_origin_session_is_setup()",
    "SELECT pg_replication_origin_session_reset()",
  ],
];

/** Not among other statements of a text: what a session notifies to itself is exact where it stands alone. */
const ALONE = [
  ...[
    "LISTEN :own",
    "UNLISTEN :own",
    "NOTIFY :own, 'é'",
    "NOTIFY :own",
    "SELECT pg_notify(':own', 'by function')",
  ],
  ...['LISTEN ":own é"', 'UNLISTEN ":own é"', 'NOTIFY ":own é"'],
];

/** So many bytes are more than the relay holds of a Parse, and of a query. */
const LONG = [20_000, 70_000];

/** Everything else that a client may say. More likely what stands there more often. */
const PLAIN = [
  ...[LOOK, LOOK, LOOK, NAMES, "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a"],
  ...["COMMIT AND CHAIN", "DEALLOCATE ALL", "SELECT 1/0", "SELECT v FROM public.here", "RESET ALL"],
  ...["DISCARD ALL", "DISCARD PLANS", "RESET ROLE", "RESET SESSION AUTHORIZATION", "LISTEN x", "LISTEN y"],
  ...[
    "UNLISTEN x",
    "UNLISTEN *",
    "INSERT INTO public.t VALUES (0, 'a')",
    "INSERT INTO public.t VALUES (1, 'b')",
  ],
  ...[
    "CALL public.commits(1)",
    "CALL public.commits(2)",
    "SELECT public.catches(1)",
    "SELECT public.catches(2)",
  ],
  "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/** Makes what one client sends, statement by statement. */
export class RandomSteps {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A look at everything. Each custom setting is named in it: one whose name nobody has written is not kept (docs/SESSION_STATE.md). */
  look(): RandomStep {
    return simple([LOOK]);
  }

  /** `pins`: whether it may keep the session on its connection. `own`: a channel that nobody else speaks of. */
  next(pins: boolean, own: string): RandomStep {
    const random = this.#random;
    const kind = random.below(12);
    if (kind < 5) return simple([this.#statement(pins)]);
    if (kind === 10) return simple([this.#pick(ALONE).replaceAll(":own", own)]);
    if (kind === 11) return this.#long();
    if (kind === 6) return simple(this.#several(pins));
    if (kind > 6) return this.#batches(pins);
    const sql = this.#several(pins).join("; ");
    // In one text pgplex sees neither what RESET has reset nor, behind a ROLLBACK, which statements and channels are named.
    const unseen = /RESET ALL|application_name/.test(sql) ||
      (/ient_encoding/.test(sql) && /"s/.test(sql)) ||
      (/COMMIT|ROLLBACK/.test(sql) &&
        /PREPARE|EXECUTE|DEALLOCATE|pg_prepared|LISTEN|NOTIFY|pg_notify/.test(sql));
    return unseen ? this.next(pins, own) : simple([sql]);
  }

  #pick<T>(of: readonly T[]): T {
    return of[this.#random.below(of.length)]!;
  }

  #several(pins: boolean): string[] {
    return Array.from({ length: 2 + this.#random.below(3) }, () => this.#statement(pins));
  }

  #statement(pins: boolean): string {
    const name = this.#name();
    switch (this.#random.below(pins ? 12 : 11)) {
      case 0:
      case 1:
      case 2:
        return this.#set();
      case 3:
        return `PREPARE ${name} AS SELECT ${this.#random.below(100)}`;
      case 4:
        return `EXECUTE ${name}`;
      case 5:
        return `DEALLOCATE ${name}`;
      case 11:
        return this.#pick(PINNING);
      default:
        return this.#pick(PLAIN);
    }
  }

  #set(): string {
    const [name, values] = this.#pick(VALUES);
    const value = this.#pick(values);
    const literal = name === "search_path" ? value : `'${value}'`;
    return this.#pick([
      `RESET ${name}`,
      `SELECT set_config('${name}', '${value}', false)`,
      `SELECT public.set_it('${name}', '${value}')`,
      `DO $$ BEGIN PERFORM set_config('${name}', '${value}', false); END $$`,
      `SET LOCAL ${name} = ${literal}`,
      `SELECT set_config('${name}', '${value}', true)`,
      `SET ${name} TO DEFAULT`,
      `SELECT set_config('${name.slice(0, 2)}' || '${name.slice(2)}', '${value}', false)`,
      `SELECT set_config('by' || '.' || 'computed', '${value}', false)`,
      `SET ${name} = ${literal}`,
      `SET SESSION ${name} = ${literal}`,
    ]);
  }

  /** A SET in a text that is not looked at as a whole, in front of what is long or behind it. */
  #long(): RandomStep {
    const random = this.#random;
    const sql = this.#set();
    const comment = `/* ${"x".repeat(this.#pick(LONG))} */`;
    const text = random.below(2) === 0 ? `${comment} ${sql}` : `${sql} ${comment}`;
    const shown = `(long) ${sql}`;
    if (random.below(2) === 0 || sql.includes("application_name")) return { ...simple([text]), shown };
    return { shown: `Parse ${shown}`, bytes: concat([parse(text), bind(), execute(), sync()]), readies: 1 };
  }

  /** In double quotes where SQL needs them. */
  #name(): string {
    return this.#pick(["s0", "s1", "s2", '"sé"', '"s☃"']);
  }

  #batches(pins: boolean): RandomStep {
    const random = this.#random;
    const messages: Uint8Array[] = [];
    const shown: string[] = [];
    let readies = 1;
    const put = (what: string, ...parts: Uint8Array[]) => {
      shown.push(what);
      messages.push(...parts);
    };
    for (let left = 1 + random.below(4); left > 0; left--) {
      const name = this.#name().replaceAll('"', "");
      const sql = random.below(2) === 0 ? `SELECT ${random.below(100)}` : this.#set();
      switch (random.below(8)) {
        case 0:
        case 1:
          // What EXECUTE resets is seen at its transaction's end.
          if (/application_name|ient_encoding/.test(sql)) break;
          put(`Parse ${name} ${sql}`, parse(sql, { name }));
          break;
        case 2:
          put(`Bind ${name}`, bind({ statement: name }), execute());
          break;
        case 3:
          put(`Close ${name}`, close("S", name));
          break;
        case 4:
          put(`Parse and Bind ${name}`, parse("SELECT 'p'", { name }), bind({ statement: name }), execute());
          break;
        case 5:
          put("Sync", sync());
          readies++;
          break;
        default: {
          const statement = this.#statement(pins);
          // What a batch resets without BEGIN is seen at its end.
          if (/application_name|ient_encoding|RESET ALL|DISCARD ALL/.test(statement)) break;
          put(`(${statement})`, parse(statement), bind(), execute());
        }
      }
    }
    return { shown: readable(shown), bytes: concat([...messages, sync()]), readies };
  }
}

/** Simple queries in one write. */
function simple(texts: readonly string[]): RandomStep {
  return { shown: readable(texts), bytes: concat(texts.map((sql) => query(sql))), readies: texts.length };
}

function readable(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll(LOOK, "(look)")).join(" | ");
}
