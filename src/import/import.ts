import { parseUserlist } from "../config/mod.ts";
import { type PgBouncerFile, readPgBouncerFile, type ReadText, reasonOf } from "./pgbouncer_file.ts";
import { translate, type Translated } from "./translate.ts";
import type { Surroundings } from "./translation.ts";

/** What an import reads with. */
export interface ImportSources {
  readonly read: ReadText;
  /** The folder from which PgBouncer takes relative names: the one that it is started in. */
  readonly folder: string;
}

/**
 * Makes pgplex.yaml of PgBouncer's file at `path`, and of what that names.
 *
 * @throws (rejects) where the file itself cannot be read
 */
export async function importPgBouncer(path: string, { read, folder }: ImportSources): Promise<Translated> {
  const from = (name: string) => read(name.startsWith("/") ? name : `${folder.replace(/\/$/, "")}/${name}`);
  const file = await readPgBouncerFile(path, from);
  return translate(file, { folder, ...await readUserlist(file, from) });
}

async function readUserlist(
  { entries }: PgBouncerFile,
  read: ReadText,
): Promise<Pick<Surroundings, "userlist" | "userlistProblem">> {
  const name =
    entries.findLast(({ section, key }) => section === "pgbouncer" && key === "auth_file")?.value ?? "";
  if (name === "") return { userlist: null, userlistProblem: null };
  let text: string;
  try {
    text = await read(name);
  } catch (error) {
    return {
      userlist: null,
      userlistProblem: `cannot be read (${reasonOf(error)}): give pgplex the right to`,
    };
  }
  const list = parseUserlist(text);
  if (!("problems" in list)) return { userlist: list, userlistProblem: null };
  const [{ line, message }] = list.problems as [typeof list.problems[number]];
  return { userlist: null, userlistProblem: `line ${line} must be put right (${message})` };
}
