/**
 * The configuration: what its file may say, reading it, what a reload changes.
 *
 * One table, {@link SETTINGS}, describes each key with its type, default, sentence and whether it can change at run time.
 * Parsing, defaults, suggestions, comparison and the console's SHOW are made from that table; to add a key, add it to
 * {@link Config} and to the table, and the compiler and the example's test ask for the rest.
 *
 * A file is read in three steps, one file of code each: `yaml.ts` makes nodes with places of the text, `read.ts` makes
 * values of the nodes by the table, `check.ts` refuses values that are impossible together. {@link loadConfig} then adds
 * what the file names elsewhere: passwords, certificates, users.
 *
 * Never reads a file, a clock or the environment itself (`loadConfig` is handed the functions), never applies anything,
 * and never puts a secret into a message: secrets are {@link Secret}s from the first moment. `process.ts` loads at the start
 * and on SIGHUP; the other folders receive parts of the {@link Config}.
 *
 * @module
 */
export * from "./arbitrated.ts";
export * from "./cluster_tls.ts";
export * from "./diff.ts";
export * from "./duration.ts";
export { type EtcdEndpoint, parseEndpoint, parseHostPort } from "./endpoint.ts";
export * from "./entries.ts";
export * from "./hba.ts";
export * from "./live.ts";
export * from "./load.ts";
export * from "./option_names.ts";
export * from "./options.ts";
export { nearest, nearestFirst } from "./nearest.ts";
export * from "./parse.ts";
export { formatPath, type Segments, valueAt, withValue } from "./path.ts";
export * from "./pool_settings.ts";
export * from "./problem.ts";
export * from "./schema.ts";
export * from "./secret.ts";
export * from "./setting.ts";
export * from "./setting_at.ts";
export * from "./settings.ts";
export * from "./size.ts";
export * from "./userlist.ts";
export { describeType, formatValue, type ParsedValue, parseValue } from "./value.ts";
