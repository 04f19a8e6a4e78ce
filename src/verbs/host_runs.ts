import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import {
  type HostPlace,
  type HostScript,
  NO_FOLDER,
  parseResult,
  scratchFolders,
  SCRIPT_RUNS,
  scriptLookCommand,
  scriptText,
  startCommand,
} from "./host_scripts.ts";
import { exitCodeOf, feedStatement, literal, programStatement } from "./programs.ts";
import { orByHand, VerbTrouble } from "./result.ts";

/** Why no program can be run on a host. */
export const NO_PROGRAMS = "its role may not run programs on the host (pg_execute_server_program)";

/** How often it looks whether a script has ended. */
const LOOK_MS = 50;

/**
 * Starts a script on a node's host, detached, and closes the session: the server is about to stop.
 *
 * @returns the token of its result: that of `work`, or a random one
 * @throws VerbTrouble `not possible` where the role may not run programs
 */
export async function startScript(
  session: ArbiterSession,
  place: HostPlace,
  work: Omit<HostScript, "token"> & Partial<Pick<HostScript, "token">>,
  until: Deadline,
): Promise<string> {
  const token = work.token ?? session.runtime.random.u32().toString(16).padStart(8, "0");
  const stops = `pg_ctl -D ${place.dataDirectory} -m fast`;
  const instead = work.work === "restart"
    ? `${stops} restart`
    : `${stops} stop && pg_rewind -D ${place.dataDirectory} --source-server='${work.source?.conninfo}' && ` +
      `touch ${place.dataDirectory}/standby.signal && pg_ctl -D ${place.dataDirectory} start`;
  const statement = feedStatement(scriptText(place, { ...work, token }), startCommand(place));
  for (;;) {
    try {
      await orByHand(instead, async () => {
        if (!(await session.rights(until)).canRunPrograms) {
          throw new VerbTrouble("not possible", NO_PROGRAMS);
        }
        await session.run(statement, { until, acts: true });
      });
      break;
    } catch (thrown) {
      const code = thrown instanceof VerbTrouble ? exitCodeOf(thrown.failure.reason) : null;
      if (code === null) throw thrown;
      if (code === NO_FOLDER) {
        const folders = scratchFolders(place).join(" nor ");
        throw new VerbTrouble("not possible", `neither ${folders} can be the server's own folder`, {
          instead,
        });
      }
      if (code !== SCRIPT_RUNS) {
        throw new VerbTrouble("not possible", `the host cannot start a script: exit code ${code}`, {
          instead,
        });
      }
      // One that has restarted the server ends a moment after that takes connections.
      if (until.remainingMs < 2 * LOOK_MS) {
        throw new VerbTrouble("refused", "another script runs on the host");
      }
      await until.pause(LOOK_MS);
    }
  }
  session.reset();
  return token;
}

/**
 * What became of a script; null where no result of it is there. An empty token means the last one's. One that was ended in the middle, as its
 * host was, has failed.
 *
 * @throws VerbTrouble
 */
export async function resultOf(
  session: ArbiterSession,
  place: HostPlace,
  token: string,
  until: Deadline,
): Promise<ReturnType<typeof parseResult>> {
  for (const folder of scratchFolders(place)) {
    const sql = `SELECT pg_read_file(${literal(`${folder}/result`)}, 0, 10000, true)`;
    const read = async () => {
      const [row] = await session.run(sql, { until, acts: false });
      return parseResult(session.clean(row?.[0] ?? ""), token);
    };
    const found = await read();
    if (found === null) continue;
    if (found.state !== "running" || await runs(session, folder, until)) return found;
    // Its beginning writes its number twice, and it may have come to its end since.
    await until.pause(LOOK_MS);
    if (await runs(session, folder, until)) return found;
    const last = await read();
    return last?.state === "running" ? { state: "failed", reason: ENDED } : last;
  }
  return null;
}

const ENDED = "its script was ended in the middle, as by a restart of its host";

/** Whether the script of a folder runs; true where nobody may look. */
async function runs(session: ArbiterSession, folder: string, until: Deadline): Promise<boolean> {
  if (!(await session.rights(until)).canRunPrograms) return true;
  try {
    await session.run(programStatement(scriptLookCommand(folder)), { until, acts: false });
    return false;
  } catch (thrown) {
    const code = thrown instanceof VerbTrouble ? exitCodeOf(thrown.failure.reason) : null;
    if (code !== SCRIPT_RUNS) throw thrown;
    return true;
  }
}
