import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import { type Conninfo, type Upstream } from "./conninfo.ts";
import { NO_PROGRAMS, startScript } from "./host_runs.ts";
import type { Inspection } from "./inspection.ts";
import { conninfoFor, lookAt, placeOf } from "./node_facts.ts";
import { exitCodeOf, literal, programStatement, shellWord } from "./programs.ts";
import { orByHand, VerbTrouble } from "./result.ts";
import { bringSegment } from "./wal_segment.ts";

/** How often a verb looks whether what it asked for has come. */
const LOOK_MS = 15;

/** Servers before 13 read primary_conninfo at their start alone. */
const RELOADS_CONNINFO = 130000;

/** What a frozen standby has. */
export interface Frozen {
  readonly lsn: bigint;
  readonly replayLsn: bigint;
  readonly timeline: number | null;
  /** All that it can replay of what it has is replayed; while it is false {@link xidWatermark} may be too low. */
  readonly isReplayed: boolean;
  /** The first transaction id of which the standby knows nothing: at or above it nothing was committed that it has replayed. */
  readonly xidWatermark: bigint;
  /** The system identifier of its cluster. */
  readonly system: string;
}

/**
 * Stops a standby from receiving, for good, and waits until it does not and has replayed what it has. It reads its files on.
 *
 * @throws VerbTrouble
 */
export async function freeze(session: ArbiterSession, until: Deadline): Promise<Frozen> {
  const { version } = await session.rights(until);
  await pointAt(session, "", { slot: null, until });
  let last: Inspection | null = null;
  let stillMs = 0;
  for (;;) {
    const found = await lookAt(session, until);
    if (!found.recovering) throw new VerbTrouble("refused", "it is no standby (any more)");
    if (found.receiver === null && !found.hasUpstream) {
      const isReplayed = found.replayLsn >= found.lsn ||
        (found.isReplayIdle && last?.replayLsn === found.replayLsn && stillMs >= IDLE_MS);
      if (isReplayed || found.isPaused || found.applyDelayMs > 0 || until.remainingMs < 10 * LOOK_MS) {
        return await frozen(session, found, { version, isReplayed, until });
      }
      stillMs = last?.replayLsn === found.replayLsn ? stillMs + LOOK_MS : 0;
    } else if (until.remainingMs < 2 * LOOK_MS) {
      throw new VerbTrouble("failed", `it still receives from ${found.receiver?.fromHost ?? "its upstream"}`);
    }
    last = found;
    await until.pause(LOOK_MS);
  }
}

/** A startup process that waits for more WAL, for so long, has none that it could replay. */
const IDLE_MS = 100;

async function frozen(
  session: ArbiterSession,
  { lsn, replayLsn, timeline, system }: Inspection,
  { version, isReplayed, until }: { version: number; isReplayed: boolean; until: Deadline },
): Promise<Frozen> {
  const sql = version >= 130000
    ? "SELECT pg_snapshot_xmax(pg_current_snapshot())"
    : "SELECT txid_snapshot_xmax(txid_current_snapshot())";
  const [row] = await session.run(sql, { until, acts: false });
  return { lsn, replayLsn, timeline, isReplayed, xidWatermark: BigInt(row![0]!), system };
}

/**
 * Makes a standby receive from `upstream`, and waits a little for its receiver. PostgreSQL says nothing of a connection that it cannot
 * make: `isStreaming` is false then.
 *
 * @throws VerbTrouble
 */
export async function repoint(
  session: ArbiterSession,
  { upstream, slot, before }: {
    readonly upstream: Upstream;
    readonly slot: string | null;
    readonly before: Conninfo | null;
  },
  until: Deadline,
): Promise<{ isStreaming: boolean }> {
  const conninfo = await conninfoFor(session, { upstream, before }, until);
  await bringSegment(session, upstream, until);
  await pointAt(session, conninfo, { slot, until });
  for (let count = 0;;) {
    const { recovering, receiver } = await lookAt(session, until);
    if (!recovering) throw new VerbTrouble("refused", "it is no standby (any more)");
    const isThere = receiver?.status === "streaming" && receiver.fromPort === upstream.port;
    count = isThere ? count + 1 : 0;
    const isStreaming = count >= STREAMING_LOOKS;
    if (isStreaming || until.remainingMs < 3 * LOOK_MS) return { isStreaming };
    await until.pause(LOOK_MS);
  }
}

/** A receiver says that it streams as soon as it is connected, before its upstream has refused it for want of a slot or of its timeline. */
const STREAMING_LOOKS = 4;

/** Puts primary_conninfo and primary_slot_name in force: by a reload, or a restart where the version needs one. */
export async function pointAt(
  session: ArbiterSession,
  conninfo: string,
  { slot, until }: { readonly slot: string | null; readonly until: Deadline },
): Promise<void> {
  const { version } = await session.rights(until);
  const [row] = await session.run(
    "SELECT pg_is_in_recovery(), current_setting('primary_conninfo'), current_setting('primary_slot_name')",
    { until, acts: false },
  );
  if (row?.[0] !== "t") throw new VerbTrouble("refused", "it is no standby (any more)");
  if (row[1] === conninfo && row[2] === (slot ?? "")) return;
  await setUpstream(session, conninfo, { slot, until });
  if (version >= RELOADS_CONNINFO) {
    await session.run("SELECT pg_reload_conf()", { until, acts: true });
    return;
  }
  const place = await placeOf(session, until);
  const started = await startTime(session, until);
  await startScript(session, place, { work: "restart", supervised: false }, until);
  await comesBack(session, started, until);
}

/** Writes primary_conninfo and primary_slot_name; they are not in force yet. */
export async function setUpstream(
  session: ArbiterSession,
  conninfo: string,
  { slot, until }: { readonly slot: string | null; readonly until: Deadline },
): Promise<void> {
  // A newline would be refused by ALTER SYSTEM with the text that has it.
  if (/[\r\n\0]/.test(conninfo)) throw new VerbTrouble("refused", "a connection string has a line break");
  const acts = { until, acts: true };
  await orByHand("ALTER SYSTEM SET primary_conninfo = '…'; SELECT pg_reload_conf();", async () => {
    await session.run(`ALTER SYSTEM SET primary_conninfo = ${literal(conninfo)}`, acts);
    await session.run(`ALTER SYSTEM SET primary_slot_name = ${literal(slot ?? "")}`, acts);
  });
}

/** When the server was started, to tell it from the one after a restart. */
async function startTime(session: ArbiterSession, until: Deadline): Promise<string> {
  const [row] = await session.run("SELECT pg_postmaster_start_time()::text", { until, acts: false });
  return row![0]!;
}

/** Waits until a server that was started at `before` is another one. @throws VerbTrouble `unknown` at the deadline */
async function comesBack(session: ArbiterSession, before: string, until: Deadline): Promise<void> {
  for (;;) {
    session.reset();
    try {
      if (await startTime(session, until) !== before) return;
    } catch (thrown) {
      if (!(thrown instanceof VerbTrouble) || thrown.failure.kind !== "failed") throw thrown;
    }
    await until.pause(50);
    if (until.over) throw new VerbTrouble("unknown", "it restarts, and is not back in time");
  }
}

/**
 * Promotes a standby and waits until it is a primary on another timeline. A promotion that was asked for cannot be taken back: one
 * that is not there in time will come later.
 *
 * @throws VerbTrouble `unknown` where it was asked for and has not come
 */
export async function promote(session: ArbiterSession, until: Deadline): Promise<{ timeline: number }> {
  const before = await lookAt(session, until);
  if (!before.recovering) return { timeline: before.timeline! };
  const acts = { until, acts: true };
  // Servers before 14 do not promote while replay is paused; later ones do, and refuse to resume then.
  if (before.isPaused) await session.run("SELECT pg_wal_replay_resume()", acts).catch(ignore("55000"));
  await orByHand("SELECT pg_promote();", () => session.run("SELECT pg_promote(false)", acts)).catch(
    ignore("55000"),
  );
  for (;;) {
    let found: Inspection;
    try {
      found = await lookAt(session, until);
    } catch (thrown) {
      if (!(thrown instanceof VerbTrouble)) throw thrown;
      throw new VerbTrouble("unknown", `the promotion was asked for: ${thrown.failure.reason}`);
    }
    const isLater = before.timeline === null || (found.timeline ?? 0) > before.timeline;
    if (!found.recovering && isLater) return { timeline: found.timeline! };
    if (until.remainingMs < 2 * LOOK_MS) throw new VerbTrouble("unknown", "the promotion has not come yet");
    await until.pause(LOOK_MS);
  }
}

/** Swallows the one error that means that somebody was here before. */
function ignore(sqlstate: string): (thrown: unknown) => void {
  return (thrown) => {
    if (!(thrown instanceof VerbTrouble) || thrown.sqlstate !== sqlstate) throw thrown;
  };
}

/** The least that libpq takes for a timeout, in seconds; it waits for up to one more. */
const WITNESS_SECONDS = 2;

/** It is not waited for longer where the host can see to that, in seconds: whoever looks waits for it. */
const WITNESS_CUT_SECONDS = 1;

/**
 * Whether a server answers, as the host of this node sees it: pg_isready, run there. One that starts or stops is up.
 *
 * @throws VerbTrouble `not possible` where that host has no pg_isready
 */
export async function witness(
  session: ArbiterSession,
  { host, port }: { readonly host: string; readonly port: number },
  until: Deadline,
): Promise<{ sees: "up" | "down" }> {
  const instead = `pg_isready -h ${host} -p ${port}`;
  await orByHand(instead, async () => {
    if (!(await session.rights(until)).canRunPrograms) {
      throw new VerbTrouble("not possible", NO_PROGRAMS);
    }
  });
  const bin = await binDirectory(session, until);
  const command =
    `P=${shellWord(`${bin}/pg_isready`)}; [ -x "$P" ] || P=$(command -v pg_isready) || exit 47; ` +
    `T=; command -v timeout >/dev/null && T='timeout ${WITNESS_CUT_SECONDS}'; ` +
    `$T "$P" -q -h ${shellWord(host)} -p ${port} -t ${WITNESS_SECONDS}; R=$?; ` +
    // Of GNU's timeout, and of BusyBox's.
    `case $R in 124|143) R=2;; esac; [ $R -le 1 ] || exit $((40+R))`;
  try {
    await session.run(programStatement(command), { until, acts: false });
    return { sees: "up" };
  } catch (thrown) {
    if (!(thrown instanceof VerbTrouble)) throw thrown;
    switch (exitCodeOf(thrown.failure.reason)) {
      case 42:
        return { sees: "down" };
      case 47:
        throw new VerbTrouble("not possible", "its host has no pg_isready", { instead });
      default:
        throw thrown;
    }
  }
}

/** The view pg_config is a superuser's; others find the program by its name. */
async function binDirectory(session: ArbiterSession, until: Deadline): Promise<string> {
  if (!(await session.rights(until)).isSuperuser) return "/nonexistent";
  const sql = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
  return (await session.run(sql, { until, acts: false }))[0]![0]!;
}
