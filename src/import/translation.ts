import type { Segments, Userlist } from "../config/mod.ts";
import type { IniEntry } from "./pgbouncer_file.ts";
import { carriedValue } from "./values.ts";
import { YamlText } from "./yaml_text.ts";

/** What was found beside PgBouncer's own file. */
export interface Surroundings {
  /** The folder from which PgBouncer takes relative names: the one that it is started in. */
  readonly folder: string;
  /** What `auth_file` says; null where there is none, or where it cannot be used: then `userlistProblem` says why. */
  readonly userlist: Userlist | null;
  readonly userlistProblem: string | null;
  /** Why `auth_hba_file` cannot be used as it is; null where it can, or is not given. */
  readonly hbaProblem: string | null;
  /** The same of `auth_ident_file`. */
  readonly identProblem: string | null;
}

/** Keys whose values are secrets, or hold some. */
const SECRET_KEYS: ReadonlySet<string> = new Set(["password"]);

/** The file that is being written, and what PgBouncer's file says of `[pgbouncer]`. */
export class Translation {
  readonly root = new YamlText();
  readonly surroundings: Surroundings;
  readonly #settings: ReadonlyMap<string, IniEntry>;
  #carried = 0;
  #left = 0;

  constructor(settings: readonly IniEntry[], surroundings: Surroundings) {
    this.surroundings = surroundings;
    // Of two lines for one key PgBouncer takes the last.
    this.#settings = new Map(settings.map((entry) => [entry.key, entry]));
    for (
      const section of [
        "instance",
        "listen",
        "auth",
        "users",
        "routing",
        "clusters",
        "pool",
        "console",
        "log",
      ]
    ) {
      this.root.at(section);
    }
  }

  /** Keys that are carried over, and those that a comment stands for. */
  get counts(): { readonly carried: number; readonly left: number } {
    return { carried: this.#carried, left: this.#left };
  }

  /** What the file gives `key`; empty text counts as not given, as in PgBouncer. */
  given(key: string): string | null {
    const value = this.#settings.get(key)?.value ?? "";
    return value === "" ? null : value;
  }

  /** Where the mapping at `path` is written; the empty path is the file itself. */
  at(path: Segments): YamlText {
    return path.reduce<YamlText>((map, segment) => map.at(String(segment)), this.root);
  }

  /** Carries `text`, which PgBouncer has under `key`, over to `path`; where that takes no such value, a comment says so. */
  carry(path: Segments, key: string, text: string): void {
    const carried = carriedValue(path, text);
    if ("value" in carried) {
      this.write(path, carried.value);
      return;
    }
    this.leave(path.slice(0, -1), key, text, `it must be ${carried.refused}`);
  }

  /** Writes a value that stands for one of PgBouncer's keys. */
  write(path: Segments, value: Parameters<YamlText["set"]>[1], remark = ""): void {
    this.#carried++;
    this.at(path.slice(0, -1)).set(String(path.at(-1)), value, remark);
  }

  /** Notes in the mapping at `path` that a key is not carried over, and why. */
  leave(path: Segments, key: string, value: string, why: string): void {
    this.#left++;
    const shown = SECRET_KEYS.has(key) ? "***" : value;
    this.at(path).comment(`${key} = ${shown}: ${why}`);
  }

  /**
   * PgBouncer opens no more than its limits allow, however large the minimum. pgplex refuses a place that gives both so, as one
   * of them must be a mistake. `limits` are that place's own, by PgBouncer's keys; null and 0 are none.
   */
  capMinimum(
    path: Segments,
    minimum: string | null,
    limits: Readonly<Record<string, string | null | undefined>>,
  ): void {
    if (minimum === null) return;
    for (const [key, text] of Object.entries(limits)) {
      const limit = Number(text ?? 0);
      if (!(limit > 0 && Number(minimum) > limit)) continue;
      const pool = this.at(path);
      pool.comment(`min_pool_size = ${minimum}: PgBouncer opens no more than ${key}, ${limit}.`);
      minimum = String(limit);
      pool.set("min_pool_size", limit);
    }
  }

  /** The name of a file as PgBouncer finds it, from anywhere. */
  file(name: string): string {
    const { folder } = this.surroundings;
    return name.startsWith("/") ? name : `${folder.replace(/\/$/, "")}/${name}`;
  }
}
