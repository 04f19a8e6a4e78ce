import { ok } from "node:assert/strict";
import { type Config, parseConfig } from "../config/mod.ts";
import { importPgBouncer } from "./import.ts";

/** What an import of these files makes, PgBouncer's own first. It must be a good configuration. */
export async function imported(ini: string, others: Readonly<Record<string, string>> = {}) {
  const files: Readonly<Record<string, string>> = { "/etc/pgbouncer.ini": ini, ...others };
  const made = await importPgBouncer("/etc/pgbouncer.ini", {
    folder: "/run",
    read: (path) =>
      files[path] === undefined ? Promise.reject(new Error("none")) : Promise.resolve(files[path]),
  });
  const parsed = parseConfig(made.yaml, { file: "pgplex.yaml" });
  ok("config" in parsed, `${made.yaml}\n${JSON.stringify(parsed)}`);
  const config: Config = parsed.config;
  return { ...made, config };
}
