/**
 * The command line as tables, and what is made of them: the text of `--help`, the manual page, completions for shells. And the line
 * that shows how long work goes on. Pure.
 *
 * `main.ts` prints the help and the progress; `tools/packages.ts` writes the rest.
 *
 * @module
 */
export * from "./completions.ts";
export * from "./help.ts";
export * from "./man_page.ts";
export * from "./progress_line.ts";
