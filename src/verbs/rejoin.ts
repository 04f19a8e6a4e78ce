import type { ArbiterSession, Deadline } from "./arbiter_session.ts";
import { type Conninfo, formatConninfo, type Upstream } from "./conninfo.ts";
import { resultOf, startScript } from "./host_runs.ts";
import { conninfoFor, lookAt, ownConninfo, placeOf } from "./node_facts.ts";
import { hostLook } from "./primary_verbs.ts";
import { programStatement, shellWord } from "./programs.ts";
import { orByHand, VerbTrouble } from "./result.ts";
import { setUpstream } from "./standby_verbs.ts";

/** How a node becomes a standby again: as it is, or rewound to where it and `upstream` parted. */
export type RejoinMode = "standby" | "rewind";

/** What a rejoin is to do. */
export interface RejoinRequest {
  readonly upstream: Upstream;
  /** How it logged in to its upstream until now; null: nothing says that. */
  readonly before: Conninfo | null;
  readonly mode: RejoinMode;
  readonly slot: string | null;
  readonly supervised: boolean;
  /** Of its result, of letters and digits; a random one unless it is given. */
  readonly token?: string;
}

/**
 * Starts the script that makes a standby of `upstream` of a node: stop, pg_rewind where `mode` says so, start. The upstream must have had a
 * CHECKPOINT since its promotion: pg_rewind reads its timeline in the control file.
 *
 * What could go wrong is looked at before: a script that has stopped the server can tell nobody.
 *
 * @throws VerbTrouble
 */
export async function rejoin(
  session: ArbiterSession,
  { upstream, before, mode, slot, supervised, token }: RejoinRequest,
  until: Deadline,
): Promise<{ token: string }> {
  const { name, host, port } = session.node;
  if (upstream.host === host && upstream.port === port) {
    throw new VerbTrouble("refused", "it cannot follow itself");
  }
  const found = await lookAt(session, until);
  const place = await placeOf(session, until);
  const own = ownConninfo(session);
  const ofToken = token === undefined ? {} : { token };

  const look = await hostLook(session, until);
  if (look !== null && !look.isModeSafe) {
    throw new VerbTrouble(
      "refused",
      "its data directory's mode is not 0700 or 0750: it would not start again",
      {
        instead: `chmod 0700 ${place.dataDirectory}`,
      },
    );
  }
  if (mode === "rewind") {
    if (!found.canRewind) {
      throw new VerbTrouble(
        "not possible",
        "pg_rewind needs wal_log_hints or data checksums, and full_page_writes: copy it anew",
        {
          instead:
            `pg_basebackup -D ${place.dataDirectory} -R -d 'host=${upstream.host} port=${upstream.port} application_name=${name}'`,
        },
      );
    }
    if (look !== null && !look.hasRewind) {
      throw new VerbTrouble("not possible", `its host has no pg_rewind in ${place.binDirectory}`);
    }
  }
  // In postgresql.auto.conf now: the script puts that file back behind pg_rewind. Nothing reads it before the server starts again.
  const conninfo = await conninfoFor(session, { upstream, before }, until);
  await setUpstream(session, conninfo, { slot, until });
  if (mode === "standby") {
    const signal = shellWord(`${place.dataDirectory}/standby.signal`);
    await orByHand(
      `touch ${signal} && pg_ctl -D ${shellWord(place.dataDirectory)} -m fast restart`,
      () => session.run(programStatement(`umask 077; : >${signal}`), { until, acts: true }),
    );
    return { token: await startScript(session, place, { work: "restart", supervised, ...ofToken }, until) };
  }
  const source = new Map([
    ["host", upstream.host],
    ["port", String(upstream.port)],
    ["dbname", session.access.superuser.database],
    ...[...own].filter(([key]) => key !== "password"),
  ]);
  const password = own.get("password") ?? "";
  const script = {
    work: "rewind",
    supervised,
    source: { conninfo: formatConninfo(source), password },
    ...ofToken,
  } as const;
  return { token: await startScript(session, place, script, until) };
}

/**
 * How far a rejoin is. While its server is down nobody can tell: that is a `failed` result of this verb, not of the rejoin.
 *
 * @param token of {@link rejoin}; empty: whichever was the last one
 * @throws VerbTrouble
 */
export async function rejoinState(
  session: ArbiterSession,
  token: string,
  until: Deadline,
): Promise<{ state: "running" | "done" | "failed" | "none"; why: string }> {
  const place = await placeOf(session, until);
  const result = await resultOf(session, place, token, until);
  return result === null
    ? { state: "none", why: "no result is there" }
    : { state: result.state, why: result.reason };
}
