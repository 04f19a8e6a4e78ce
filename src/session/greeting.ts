import type { ServerConnection } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { Lease, LeaseHolder } from "../lease/mod.ts";
import { noticeOfName } from "../options/mod.ts";
import { encodeBackendKeyData, encodeReadyForQuery, TxStatus } from "../protocol/mod.ts";
import type { ToldSettings } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import type { CancelKey } from "./cancel_keys.ts";
import type { SessionFacts } from "./session_facts.ts";
import type { WorkTime } from "./work_time.ts";

/** Whom {@link greet} greets. */
export interface GreetedSession {
  readonly facts: Pick<SessionFacts, "base" | "mode" | "applicationName">;
  readonly destination: Pick<Destination, "greetings" | "greetingFor" | "hasRoom" | "counters">;
  readonly server: ServerConnection | null;
  readonly key: Pick<CancelKey, "pid" | "secret">;
  /** The client knows this server's process id as its own from now on. */
  takeBackendsPid(server: ServerConnection): void;
}

/** The parts of the session that a greeting is made with. */
export interface GreetingParts {
  readonly told: Pick<ToldSettings, "greet">;
  readonly out: Pick<Outbox, "put" | "flush">;
  readonly work: Pick<WorkTime, "asks" | "rests">;
  /** Looks whether the client is still there. */
  readonly loop: { watch(): void };
  readonly side: LeaseHolder & {
    readonly lease: Pick<Lease, "obtain" | "error" | "held">;
    endLease(how: "clean"): void;
  };
}

/**
 * What a client hears before its first message. In session pooling its lease begins here where the pool has room; else one is
 * had only where nobody knows what such a server connection reports.
 *
 * @throws PgplexError when a lease is needed and cannot be had
 */
export async function greet(session: GreetedSession, parts: GreetingParts): Promise<void> {
  const { facts, destination } = session;
  const { told, out, side } = parts;
  const { greetings } = destination;
  let settings = destination.greetingFor(facts.base, side);
  if (facts.mode === "session" && (settings === null || destination.hasRoom(side))) {
    // A session of its own begins now, as on a server; only where the pool is full it begins with the first message.
    await logIn(parts);
    settings = session.server!.settings;
    session.takeBackendsPid(session.server!);
  } else if (settings === null) {
    await logIn(parts);
    settings = session.server!.identity.parameters;
    side.endLease("clean");
  }
  const greeting = told.greet(settings);
  out.put(greetings.noticesOf(facts.base));
  if (facts.applicationName !== null) out.put(noticeOfName(facts.applicationName, greeting));
  out.put(greetings.encoded(greeting));
  out.put(encodeBackendKeyData(session.key.pid, session.key.secret));
  out.put(encodeReadyForQuery(TxStatus.Idle));
  destination.counters.logins++;
  await out.flush();
}

/** The lease that a greeting needs. @throws PgplexError when there is none to be had */
async function logIn({ side: { lease }, loop, work }: GreetingParts): Promise<void> {
  const obtained = lease.obtain();
  if (obtained !== null) {
    work.asks();
    loop.watch();
    await obtained;
    work.rests(); // no statement has waited
  }
  if (lease.error !== null) throw lease.error;
  if (!lease.held) throw new PgplexError("shutting_down", "the session is over");
}
