import { parseIni } from "./ini.ts";

/** Reads a file's text. @throws (or rejects) when it cannot be read */
export type ReadText = (path: string) => Promise<string>;

/** One `key = value` of one of PgBouncer's sections. */
export interface IniEntry {
  readonly section: string;
  readonly key: string;
  readonly value: string;
  /** Where it stands: `FILE:LINE`. */
  readonly place: string;
}

/** What PgBouncer's file says, together with those that it includes. */
export interface PgBouncerFile {
  readonly entries: readonly IniEntry[];
  /** Lines and files that could not be read, with their places: what they say is not in `entries`. */
  readonly problems: readonly string[];
}

/** MAX_INCLUDE of libusual's cfparser. */
const INCLUDE_DEPTH_MAX = 10;

/** Reads the file at `path` and what it includes, in the order of PgBouncer, which reads an included file in its place. */
export async function readPgBouncerFile(path: string, read: ReadText): Promise<PgBouncerFile> {
  const entries: IniEntry[] = [];
  const problems: string[] = [];
  let section = "";
  const visit = async (file: string, depth: number) => {
    for (const line of parseIni(await read(file))) {
      const place = `${file}:${line.line}`;
      switch (line.kind) {
        case "section":
          section = line.name;
          break;
        case "entry":
          entries.push({ section, key: line.key, value: line.value, place });
          break;
        case "broken":
          problems.push(`${place}: ${line.reason}; PgBouncer refuses the file for it`);
          break;
        case "include":
          if (depth >= INCLUDE_DEPTH_MAX) {
            problems.push(`${place}: includes more than ${INCLUDE_DEPTH_MAX} deep`);
          } else {
            await visit(line.file, depth + 1).catch((error) =>
              problems.push(`${place}: cannot read ${line.file}: ${reasonOf(error)}`)
            );
          }
      }
    }
  };
  await visit(path, 0);
  return { entries, problems };
}

/** Why a file could not be read, for people. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
