import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import { literal } from "./programs.ts";
import { VerbTrouble } from "./result.ts";

/** A physical slot that a node should have. */
export interface SlotWish {
  readonly name: string;
  /** Where the standby that it is for is; null where nobody knows. */
  readonly lsn: bigint | null;
}

/** Slots of pgplex begin so; those of others are never touched. */
export const SLOT_PREFIX = "pgplex_";

/**
 * Makes a node keep WAL for standbys that may receive from it one day: a slot each, advanced to where its standby is. Slots of pgplex that
 * nobody wishes any more are dropped, as they would keep WAL for ever.
 *
 * @throws VerbTrouble `not possible` on a standby before 13, which cannot advance one
 */
export async function slots(
  session: ArbiterSession,
  wishes: readonly SlotWish[],
  until: Deadline,
): Promise<{ made: number; dropped: number }> {
  const bad = wishes.find(({ name }) => !/^pgplex_[a-z0-9_]{1,50}$/.test(name));
  if (bad !== undefined) throw new VerbTrouble("refused", `not a name of a slot of pgplex: ${bad.name}`);
  const { version } = await session.rights(until);
  const rows = await session.run(
    `SELECT slot_name, active, restart_lsn - '0/0', pg_is_in_recovery() FROM pg_replication_slots
     WHERE slot_type = 'physical' UNION ALL SELECT NULL, NULL, NULL, pg_is_in_recovery()`,
    { until, acts: false },
  );
  if (version < 130000 && rows[0]?.[3] === "t") {
    throw new VerbTrouble("not possible", "slots on a standby need PostgreSQL 13");
  }
  const present = new Map(
    rows.flatMap(([name, active, lsn]) =>
      name == null
        ? []
        : [[name, { isActive: active === "t", lsn: lsn == null ? null : BigInt(lsn) }] as const]
    ),
  );
  const acts = { until, acts: true };
  let [made, dropped] = [0, 0];
  for (const { name, lsn } of wishes) {
    const slot = present.get(name);
    if (slot === undefined) {
      await session.run(`SELECT pg_create_physical_replication_slot(${literal(name)}, true)`, acts)
        // duplicate_object: it was made by a statement whose answer was lost.
        .catch(unless("42710"));
      made++;
    }
    if (lsn === null || slot?.isActive || lsn <= (slot?.lsn ?? 0n)) continue;
    const position = `${literal(text(lsn))}::pg_lsn`;
    // It cannot go back, and one that is taken into use meanwhile moves by itself.
    await session.run(`SELECT pg_replication_slot_advance(${literal(name)}, ${position})`, acts)
      .catch(unless("55000", "55006", "22023"));
  }
  const wished = new Set(wishes.map(({ name }) => name));
  for (const [name, { isActive }] of present) {
    if (isActive || wished.has(name) || !name.startsWith(SLOT_PREFIX)) continue;
    await session.run(`SELECT pg_drop_replication_slot(${literal(name)})`, acts).catch(
      unless("42704", "55006"),
    );
    dropped++;
  }
  return { made, dropped };
}

function text(lsn: bigint): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

function unless(...sqlstates: readonly string[]): (thrown: unknown) => void {
  return (thrown) => {
    if (!(thrown instanceof VerbTrouble) || !sqlstates.includes(thrown.sqlstate ?? "")) throw thrown;
  };
}

/**
 * Writes an epoch into the schema's history, where there is one: once, and without waiting for a standby.
 *
 * @throws VerbTrouble
 */
export async function recordEpoch(
  session: ArbiterSession,
  { epoch, text }: { readonly epoch: number; readonly text: string },
  until: Deadline,
): Promise<{ isRecorded: boolean }> {
  const [row] = await session.run("SELECT to_regclass('pgplex.epochs') IS NOT NULL", { until, acts: false });
  if (row?.[0] !== "t") return { isRecorded: false };
  const sql = `INSERT INTO pgplex.epochs (epoch, evidence) VALUES (${epoch}, ${literal(text)})
   ON CONFLICT (epoch) DO NOTHING`;
  await session.run(sql, { until, acts: true });
  return { isRecorded: true };
}

/** What became of a transaction. */
export type XactStatus = "committed" | "aborted" | "in progress" | "future";

/**
 * What became of the transaction with this id, epoch included, as this node has it. Only below the watermark of the move it is
 * that transaction: above it a new primary gives the same ids to others.
 *
 * @throws VerbTrouble `failed` where it is too old to be known
 */
export async function xactStatus(
  session: ArbiterSession,
  xid: bigint,
  until: Deadline,
): Promise<{ status: XactStatus }> {
  const { version } = await session.rights(until);
  const sql = version >= 130000 ? `SELECT pg_xact_status('${xid}'::xid8)` : `SELECT txid_status(${xid})`;
  try {
    const [row] = await session.run(sql, { until, acts: false });
    const status = row?.[0] ?? null;
    if (status === null) throw new VerbTrouble("failed", "the transaction is too old to be known");
    return { status: status as XactStatus };
  } catch (thrown) {
    if (thrown instanceof VerbTrouble && thrown.sqlstate === "22023") return { status: "future" };
    throw thrown;
  }
}
