/**
 * `pgplex import`: pgplex.yaml made of PgBouncer's ini file, its includes and its userlist.
 *
 * `ini.ts` and `connection_string.ts` read PgBouncer's formats, `settings_table.ts` says what becomes of each key,
 * `translate.ts` with its writers makes the file of it, `import.ts` puts them together.
 *
 * Never reads a file itself: that is handed in. Never prints a secret but into the file it makes. Called by `main.ts`;
 * the console asks the table what a key of PgBouncer means.
 *
 * @module
 */
export * from "./import.ts";
export { type Fate, FATES } from "./settings_table.ts";
