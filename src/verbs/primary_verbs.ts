import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import type { Conninfo, Upstream } from "./conninfo.ts";
import { fencedHba, HBA_MARK, type HbaRule } from "./hba.ts";
import { startScript } from "./host_runs.ts";
import { hostLookCommand, type HostState, hostStateOf, OTHERS } from "./inspection.ts";
import { conninfoFor, lookAt, placeOf } from "./node_facts.ts";
import { exitCodeOf, feedStatement, literal, programStatement, shellWord } from "./programs.ts";
import { orByHand, VerbTrouble } from "./result.ts";
import { setUpstream } from "./standby_verbs.ts";
import { parseSyncNames } from "./sync_names.ts";

/** How often a verb looks whether what it asked for has come. */
const LOOK_MS = 15;

/** The server takes a new pg_hba.conf so soon after it was told to. */
const RELOAD_MS = 100;

/** What a fence has done. */
export interface Fenced {
  /** Sessions that were ended. */
  readonly ended: number;
  /** Why pg_hba.conf is as it was; null where it lets in pgplex and replication alone. */
  readonly hbaProblem: string | null;
}

/**
 * Keeps others than pgplex out of a server that answers, as far as SQL can: sessions are read-only unless they say otherwise, pg_hba.conf
 * lets in the arbiter's role and replication alone, everybody else is ended.
 *
 * @throws VerbTrouble where not even the others could be ended
 */
export async function fence(session: ArbiterSession, until: Deadline): Promise<Fenced> {
  const acts = { until, acts: true };
  const byHand = "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf();";
  await orByHand(byHand, () => session.run("ALTER SYSTEM SET default_transaction_read_only = on", acts));
  let hbaProblem: string | null = null;
  try {
    await fenceHba(session, until);
  } catch (thrown) {
    if (!(thrown instanceof VerbTrouble) || thrown.failure.kind === "unknown") throw thrown;
    hbaProblem = thrown.failure.reason;
  }
  await session.run("SELECT pg_reload_conf()", acts);
  return { ...await endSessions(session, until, RELOAD_MS), hbaProblem };
}

async function fenceHba(session: ArbiterSession, until: Deadline): Promise<void> {
  const { isFenced, hbaText, file } = await hbaOf(session, until);
  if (isFenced) return;
  const [row] = await session.run(
    "SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') FROM pg_hba_file_rules r WHERE error IS NULL",
    { until, acts: false },
  );
  const rules = JSON.parse(row![0]!) as HbaRule[];
  const roles = new Set(
    (await session.run(
      "SELECT rolname FROM pg_roles WHERE pg_has_role(session_user, oid, 'member')",
      { until, acts: false },
    )).map(([name]) => name!),
  );
  const { user } = session.access.superuser;
  const text = fencedHba(rules, { user, isMember: (role) => roles.has(role) });
  if (hbaText === null) throw new VerbTrouble("not possible", "its pg_hba.conf cannot be read");
  const path = shellWord(file);
  const command =
    `umask 077; cp -p ${path} ${path}.pgplex && base64 -d >${path}.new && [ -s ${path}.new ] && ` +
    `mv -f ${path}.new ${path}`;
  await session.run(feedStatement(text, command), { until, acts: true });
}

async function hbaOf(
  session: ArbiterSession,
  until: Deadline,
): Promise<{ isFenced: boolean; hbaText: string | null; file: string }> {
  const sql =
    "SELECT current_setting('hba_file'), pg_read_file(current_setting('hba_file'), 0, 1000000, true)";
  const [row] = await session.run(sql, { until, acts: false });
  const [file, hbaText = null] = row!;
  return { isFenced: hbaText?.startsWith(HBA_MARK) ?? false, hbaText, file: file! };
}

/**
 * Takes all of {@link fence} back. Where ALTER SYSTEM had made sessions read-only before it, that is gone as well.
 *
 * @throws VerbTrouble
 */
export async function unfence(session: ArbiterSession, until: Deadline): Promise<object> {
  const acts = { until, acts: true };
  await session.run("ALTER SYSTEM RESET default_transaction_read_only", acts);
  const { isFenced, file } = await hbaOf(session, until);
  if (isFenced) {
    const path = shellWord(file);
    await orByHand(
      `mv ${path}.pgplex ${path}`,
      () => session.run(programStatement(`mv -f ${path}.pgplex ${path}`), acts),
    );
  }
  await session.run("SELECT pg_reload_conf()", acts);
  return {};
}

/**
 * Ends all client sessions but those of pgplex's monitor and arbiter, and waits until there are none. Who connects meanwhile is ended
 * too, for `forMs` at least.
 *
 * @throws VerbTrouble
 */
export async function endSessions(
  session: ArbiterSession,
  until: Deadline,
  forMs = 0,
): Promise<{ ended: number }> {
  const seen = new Set<string>();
  const clock = session.runtime.clock;
  const beganMs = clock.nowMs();
  const sql = `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${OTHERS}`;
  for (;;) {
    const rows = await session.run(sql, { until, acts: true });
    for (const [pid] of rows) seen.add(pid!);
    if (rows.length === 0 && clock.nowMs() - beganMs >= forMs) return { ended: seen.size };
    if (until.remainingMs < 2 * LOOK_MS) {
      throw new VerbTrouble("failed", `${rows.length} sessions do not end, as that of pid ${rows[0]?.[0]}`);
    }
    await until.pause(LOOK_MS);
  }
}

/** A CHECKPOINT; on a standby a restartpoint. @throws VerbTrouble */
export async function checkpoint(session: ArbiterSession, until: Deadline): Promise<object> {
  await orByHand("CHECKPOINT;", () => session.run("CHECKPOINT", { until, acts: true }));
  return {};
}

/** What a program on a node's host sees. @throws VerbTrouble */
export async function hostLook(session: ArbiterSession, until: Deadline): Promise<HostState | null> {
  const { canRunPrograms, isSuperuser } = await session.rights(until);
  if (!canRunPrograms || !isSuperuser) return null;
  const { dataDirectory, binDirectory } = await placeOf(session, until);
  try {
    await session.run(programStatement(hostLookCommand(dataDirectory, binDirectory)), { until, acts: false });
    return hostStateOf(0);
  } catch (thrown) {
    const code = thrown instanceof VerbTrouble ? exitCodeOf(thrown.failure.reason) : null;
    if (code === null) throw thrown;
    return hostStateOf(code);
  }
}

/**
 * Restarts a primary as a standby of `upstream`, which is not promoted yet: so its last record, the shutdown checkpoint, is shipped there,
 * and nothing diverges. It returns when the restart has begun; the node is a standby when an inspection says so.
 *
 * A fast stop waits for every standby that is connected to have all of it. Those that do not keep up are disconnected first; where
 * `upstream` is one of these nothing is done.
 *
 * @throws VerbTrouble
 */
export async function demote(
  session: ArbiterSession,
  { upstream, before, supervised, slot }: {
    readonly upstream: Upstream;
    /** How it logged in to its upstream when it was a standby, or would; null: nothing says that. */
    readonly before: Conninfo | null;
    readonly supervised: boolean;
    readonly slot: string | null;
  },
  until: Deadline,
): Promise<{ alreadyStandby: boolean }> {
  const found = await lookAt(session, until);
  if (found.recovering) return { alreadyStandby: true };
  const place = await placeOf(session, until);
  const conninfo = await conninfoFor(session, { upstream, before }, until);
  const host = await hostLook(session, until);
  if (host !== null && !host.isModeSafe) {
    throw new VerbTrouble(
      "refused",
      "its data directory's mode is not 0700 or 0750: it would not start again",
      {
        instead: `chmod 0700 ${place.dataDirectory}`,
      },
    );
  }
  const acts = { until, acts: true };
  await checkpoint(session, until);
  await dropHungSenders(session, upstream, until);
  await setUpstream(session, conninfo, { slot, until });
  const signal = shellWord(`${place.dataDirectory}/standby.signal`);
  await orByHand(
    `touch ${signal} && pg_ctl -D ${shellWord(place.dataDirectory)} -m fast restart`,
    () => session.run(programStatement(`umask 077; : >${signal}`), acts),
  );
  try {
    await startScript(session, place, { work: "restart", supervised }, until);
  } catch (thrown) {
    // A restart for another reason must not find it.
    if (thrown instanceof VerbTrouble && thrown.failure.kind !== "unknown") {
      await session.run(programStatement(`rm -f ${signal}`), acts).catch(() => {});
    }
    throw thrown;
  }
  return { alreadyStandby: false };
}

/**
 * Takes a {@link demote} back that has not come to its restart: whatever restarts the server now finds a primary.
 *
 * @throws VerbTrouble `refused` where it is a standby already
 */
export async function stayPrimary(session: ArbiterSession, until: Deadline): Promise<object> {
  const found = await lookAt(session, until);
  if (found.recovering) throw new VerbTrouble("refused", "it is a standby already");
  if (!found.isSetToFollow) return {};
  const signal = shellWord(`${found.dataDirectory}/standby.signal`);
  await orByHand(
    `rm ${signal}`,
    () => session.run(programStatement(`rm -f ${signal}`), { until, acts: true }),
  );
  return {};
}

/** How long a standby may take to flush what a CHECKPOINT has just written. */
const KEEPS_UP_MS = 1000;

async function dropHungSenders(session: ArbiterSession, upstream: Upstream, until: Deadline): Promise<void> {
  const [row] = await session.run("SELECT pg_current_wal_flush_lsn()", { until, acts: false });
  const beganMs = session.runtime.clock.nowMs();
  const isBehind = `flush_lsn IS NULL OR flush_lsn < ${literal(row![0]!)}::pg_lsn`;
  for (;;) {
    const sql = `SELECT pid, application_name, ${isBehind} FROM pg_stat_replication`;
    const senders = await session.run(sql, { until, acts: false });
    const behind = senders.filter(([, , late]) => late === "t");
    if (behind.length === 0) return;
    if (session.runtime.clock.nowMs() - beganMs >= KEEPS_UP_MS) {
      if (behind.some(([, name]) => name === upstream.name)) {
        throw new VerbTrouble("refused", `${upstream.name} does not keep up with it`);
      }
      if (!senders.some(([, name]) => name === upstream.name)) {
        const names = behind.map(([, name]) => name).join(", ");
        throw new VerbTrouble(
          "refused",
          `none of its standbys is called ${upstream.name} (application_name), and ${names} does not keep up with it`,
        );
      }
      const pids = behind.map(([pid]) => pid).join(", ");
      const end = `SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[${pids}]) pid`;
      await session.run(end, { until, acts: true });
      return;
    }
    await until.pause(LOOK_MS);
  }
}

/**
 * Puts `synchronous_standby_names` in force. To ask for fewer standbys releases commits that wait as successes, so on a fenced node, where
 * nobody may hear of a success any more, it is refused.
 *
 * @throws VerbTrouble
 */
export async function synchronousNames(
  session: ArbiterSession,
  text: string,
  until: Deadline,
): Promise<object> {
  try {
    parseSyncNames(text);
  } catch {
    throw new VerbTrouble("refused", `not a list of standbys: ${text}`);
  }
  const found = await lookAt(session, until);
  if (found.synchronousNames === text) return {};
  if (found.isFenced && !found.recovering) {
    throw new VerbTrouble("refused", "it is fenced: other names would acknowledge commits that wait on it");
  }
  const statement = `ALTER SYSTEM SET synchronous_standby_names = ${literal(text)}`;
  const acts = { until, acts: true };
  await orByHand(`${statement}; SELECT pg_reload_conf();`, async () => {
    await session.run(statement, acts);
    await session.run("SELECT pg_reload_conf()", acts);
  });
  while ((await lookAt(session, until)).synchronousNames !== text) {
    if (until.remainingMs < 2 * LOOK_MS) {
      throw new VerbTrouble("unknown", "the new names are not in force yet");
    }
    await until.pause(LOOK_MS);
  }
  return {};
}
