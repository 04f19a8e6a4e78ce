import { ArbiterSession, type Deadline } from "./arbiter_session.ts";
import { MONITOR_NAME } from "./claim.ts";
import type { Upstream } from "./conninfo.ts";
import type { Inspection } from "./inspection.ts";
import { lookAt } from "./node_facts.ts";
import { encodedFeedStatement, literal, programStatement } from "./programs.ts";
import { VerbTrouble } from "./result.ts";

/** So much of a file goes over the wire at a time. */
const CHUNK_BYTES = 1 << 20;

/** More than this is not copied: pg_rewind does it better. */
const COPIED_BYTES_MAX = 32n << 20n;

/** Files with a name that begins so in pg_wal are removed when the server starts (RemoveTempXlogFiles in xlog.c). */
const TEMPORARY = "xlogtemp.pgplex";

/** A standby that is to follow another timeline. */
interface Follower {
  readonly session: ArbiterSession;
  readonly found: Inspection & { readonly timeline: number };
  readonly segmentBytes: bigint;
}

/** Where the standby's timeline was left. */
interface Fork {
  readonly lsn: bigint;
  /** The last of the timelines that begin in that segment: its file has all of it. */
  readonly timeline: number;
  /** Whether the timeline that begins at {@link lsn} goes on in the next segment. */
  readonly goesOn: boolean;
}

/** @param begins where each timeline but the first begins, in order; one of them at `lsn` */
export function forkOf(
  lsn: bigint,
  begins: readonly { readonly lsn: bigint; readonly timeline: number }[],
  segmentBytes: bigint,
): Fork {
  const segment = lsn / segmentBytes;
  const behind = begins.filter((one) => one.lsn >= lsn && one.lsn <= (segment + 1n) * segmentBytes);
  const { timeline } = behind.findLast((one) => one.lsn / segmentBytes === segment)!;
  return { lsn, timeline, goesOn: behind.length === 1 };
}

/**
 * Gives a standby the WAL segment in which its upstream's timeline begins, where it would not fetch that itself.
 *
 * A primary that dies in the middle of a record leaves the beginning of it on its standbys. Where that reaches up to the end of a segment,
 * as it does when much is written at once, a standby goes on reading the record in the next segment, so it asks for that one of the new timeline; it finds that
 * the record does not go on there, begins again where the record began, and ends in a PANIC, as the segment with the fork was never
 * sent ("could not open file": WaitForWALToBecomeAvailable in xlogrecovery.c). With that file it reads on.
 *
 * Where still another timeline begins before that next segment, nobody sends that, and the standby asks for ever. It reads the file when it is
 * started again.
 *
 * What it has received is not known of a server that has received nothing since its start: then the file is brought as well.
 *
 * @throws VerbTrouble `not possible` where the file is needed and cannot be had
 */
export async function bringSegment(
  session: ArbiterSession,
  upstream: Upstream,
  until: Deadline,
): Promise<void> {
  const found = await lookAt(session, until);
  const [row] = await session.run(
    "SELECT pg_size_bytes(current_setting('wal_segment_size')), pg_last_wal_receive_lsn() IS NULL",
    { until, acts: false },
  );
  const [segmentBytes, isUnknown] = [BigInt(row![0]!), row![1] === "t"];
  const { timeline, canRunPrograms } = found;
  if (!found.recovering || timeline === null || (found.replayLsn >= found.lsn && !isUnknown)) return;
  const isBeyond = (lsn: bigint) => found.lsn / segmentBytes > lsn / segmentBytes;
  const isLikely = isBeyond(found.replayLsn);
  if (!isLikely && !(isUnknown && canRunPrograms)) return;
  const { runtime, access } = session;
  const source = new ArbiterSession(upstream, { runtime, access: () => access, name: MONITOR_NAME });
  let isReached = false;
  try {
    const { recovering, timeline: now, forks } = await lookAt(source, until);
    isReached = true;
    const lsn = forks.find(([left]) => left === timeline)?.[1];
    if (recovering || now === null || now === timeline || lsn === undefined || found.replayLsn > lsn) return;
    const isNeeded = isBeyond(lsn);
    if (!isNeeded && !isUnknown) return;
    const follower = { session, found: { ...found, timeline }, segmentBytes };
    const begins = forks.map(([, at], index) => ({ lsn: at, timeline: forks[index + 1]?.[0] ?? now }));
    const fork = forkOf(lsn, begins, segmentBytes);
    if (isNeeded && !fork.goesOn) {
      throw new VerbTrouble(
        "not possible",
        "another timeline begins before the segment for which it would ask",
      );
    }
    await copy(source, follower, fork, { isNeeded, until });
  } catch (thrown) {
    // A precaution that cannot be had keeps nobody from following; one that was broken off is asked for again.
    const isRefused = thrown instanceof VerbTrouble && (!isReached || thrown.failure.kind === "not possible");
    if (isLikely || !isRefused) throw thrown;
  } finally {
    source.close();
  }
}

async function copy(
  source: ArbiterSession,
  { session, found, segmentBytes }: Follower,
  fork: Fork,
  { isNeeded, until }: { readonly isNeeded: boolean; readonly until: Deadline },
): Promise<void> {
  const segment = fork.lsn / segmentBytes;
  const had = walFileName(found.timeline, segment, segmentBytes);
  const wanted = walFileName(fork.timeline, segment, segmentBytes);
  const sizeOf = async (name: string) => {
    const look = `SELECT (pg_stat_file(${literal(`pg_wal/${name}`)}, true)).size`;
    return Number((await session.run(look, { until, acts: false }))[0]?.[0] ?? 0);
  };
  if (await sizeOf(wanted) === Number(segmentBytes)) return;
  const endLsn = (segment + 1n) * segmentBytes;
  const [row] = await source.run(
    `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn, pg_size_bytes(current_setting('wal_segment_size'))`,
    { until, acts: false },
  );
  const writtenLsn = BigInt(row![0]!);
  const copied = (writtenLsn < endLsn ? writtenLsn : endLsn) - fork.lsn;
  if (copied > COPIED_BYTES_MAX || BigInt(row![1]!) !== segmentBytes) {
    if (!isNeeded) return;
    throw new VerbTrouble("not possible", `${copied} bytes of WAL behind the fork are too many to copy`);
  }
  // Nothing is written into a segment behind its switch; and for the next one the standby is refused until the primary has come to it.
  if (writtenLsn < endLsn) await source.run("SELECT pg_switch_wal()", { until, acts: true });
  const inPgWal = (command: string) => `umask 077; cd pg_wal && ${command}`;
  const acts = { until, acts: true };
  // Before the fork both timelines have the same bytes.
  const first = Number(fork.lsn % segmentBytes) - Number(fork.lsn % BigInt(CHUNK_BYTES));
  // What was copied before time ran out is not copied again.
  const temporary = `${TEMPORARY}.${wanted}.${fork.lsn}`;
  const copiedBefore = await sizeOf(temporary);
  const begin = inPgWal(`head -c ${first} ${had} >${temporary} && [ $(wc -c <${temporary}) -eq ${first} ]`);
  if (copiedBefore < first || copiedBefore === 0) await session.run(programStatement(begin), acts);
  for (
    let at = Math.max(first, copiedBefore - copiedBefore % CHUNK_BYTES);
    at < Number(segmentBytes);
    at += CHUNK_BYTES
  ) {
    const [chunk] = await source.run(chunkSql(wanted, at), { until, acts: false });
    const encoded = chunk?.[0] ?? null;
    if (encoded === null) throw new VerbTrouble("not possible", "the WAL behind the fork is gone");
    if (encoded === "") continue;
    const append = inPgWal(`truncate -s ${at} ${temporary} && base64 -d >>${temporary}`);
    await session.run(encodedFeedStatement(encoded, append), acts);
  }
  const end = inPgWal(`truncate -s ${segmentBytes} ${temporary} && mv -f ${temporary} ${wanted}`);
  await session.run(programStatement(end), acts);
}

/** A piece of a file in base64; empty where it has nothing but zeros, NULL where the file is gone. */
function chunkSql(name: string, at: number): string {
  const file = `pg_read_binary_file(${literal(`pg_wal/${name}`)}, ${at}, ${CHUNK_BYTES}, true)`;
  return `SELECT CASE WHEN bytes = decode(repeat('00', length(bytes)), 'hex') THEN ''
 ELSE translate(encode(bytes, 'base64'), chr(10), '') END FROM ${file} AS bytes`;
}

/** Source: XLogFileName in xlog_internal.h. */
export function walFileName(timeline: number, segment: bigint, segmentBytes: bigint): string {
  const perId = 0x1_0000_0000n / segmentBytes;
  return [BigInt(timeline), segment / perId, segment % perId]
    .map((part) => part.toString(16).toUpperCase().padStart(8, "0")).join("");
}
