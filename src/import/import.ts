import { type HbaProblem, parseHba, parseIdent, parseUserlist } from "../config/mod.ts";
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
  return translate(file, {
    folder,
    ...await readUserlist(file, from),
    hbaProblem: await problemOf(nameIn(file, "auth_hba_file"), from, parseHba),
    identProblem: await problemOf(nameIn(file, "auth_ident_file"), from, parseIdent),
  });
}

/** The file that a key of `[pgbouncer]` names; empty where it names none. */
function nameIn({ entries }: PgBouncerFile, key: string): string {
  return entries.findLast((entry) => entry.section === "pgbouncer" && entry.key === key)?.value ?? "";
}

/** Why a file cannot be used; null where it can, or none is named. */
async function problemOf(
  name: string,
  read: ReadText,
  parse: (text: string) => readonly unknown[] | { readonly problems: readonly HbaProblem[] },
): Promise<string | null> {
  if (name === "") return null;
  try {
    const parsed = parse(await read(name));
    if (!("problems" in parsed)) return null;
    return parsed.problems.map(({ line, message }) => `line ${line} ${message}`).join("; ");
  } catch (error) {
    return unreadable(error);
  }
}

function unreadable(error: unknown): string {
  return `cannot be read (${reasonOf(error)}): give pgplex the right to`;
}

async function readUserlist(
  file: PgBouncerFile,
  read: ReadText,
): Promise<Pick<Surroundings, "userlist" | "userlistProblem">> {
  const name = nameIn(file, "auth_file");
  if (name === "") return { userlist: null, userlistProblem: null };
  let text: string;
  try {
    text = await read(name);
  } catch (error) {
    return { userlist: null, userlistProblem: unreadable(error) };
  }
  const list = parseUserlist(text);
  if (!("problems" in list)) return { userlist: list, userlistProblem: null };
  const [{ line, message }] = list.problems as [typeof list.problems[number]];
  return { userlist: null, userlistProblem: `line ${line} must be put right (${message})` };
}
