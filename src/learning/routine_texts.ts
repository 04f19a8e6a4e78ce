import type { ServerConnection } from "../backend/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";
import { ask } from "./catalogue_look.ts";

/**
 * Bodies of the routines that mention set_config, SET or current_setting, and so may know custom settings, or that read what a
 * session remembers of sequences; @throws where they cannot be read. No backslash in it: the session's standard_conforming_strings may be off.
 */
export async function readRoutines(server: ServerConnection): Promise<readonly BinaryString[]> {
  return (await ask(server, ROUTINES)).map(([body]) => body ?? "");
}

const ROUTINES: BinaryString = `
SELECT p.prosrc FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
 WHERE NOT l.lanname OPERATOR(pg_catalog.=) ANY ('{internal,c}'::pg_catalog.name[])
   AND p.prosrc OPERATOR(pg_catalog.~*) '_setting|set_config|currval|lastval|[[:<:]]set[[:>:]]' LIMIT 1000`;
