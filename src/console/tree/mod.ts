/**
 * Everything that pgplex knows as one tree of names: SHOW of any place, SET and RESET of settings.
 *
 * `root.ts` is the whole tree, `path.ts` walks it, `commands.ts` are the commands. Tables of other folders are branches of it
 * (`table_node.ts`); it asks for them as a client would, by their SHOW.
 *
 * @module
 */
export * from "./commands.ts";
