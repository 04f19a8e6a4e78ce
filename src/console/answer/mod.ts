/**
 * What a command answers: a table, or that it is done, with notices.
 *
 * Knows neither the protocol nor pgplex. Every other folder of the console uses it.
 *
 * @module
 */
export * from "./answer.ts";
export * from "./table.ts";
export * from "./timestamp.ts";
