import {
  AUTH_REQUEST,
  authBody,
  type AuthStep,
  ClientAuthenticator,
  commonNameOf,
  SASL_MESSAGE_BYTES_MAX,
  type ServerCredentials,
} from "../auth/mod.ts";
import { concat, NAME_BYTES_MAX, PgplexError } from "../kernel/mod.ts";
import {
  AUTH_MESSAGE_MAX,
  Back,
  encodeBack,
  encodeNegotiation,
  Front,
  needsNegotiation,
  negotiatedMinor,
  utf8FromBinary,
} from "../protocol/mod.ts";
import { clusterOption } from "../options/mod.ts";
import { clusterMeant, spelledOut } from "../routing/mod.ts";
import {
  type FramedReader,
  FrameLengthError,
  type PeerAddress,
  systemUserNames,
  writeAll,
} from "../transport/mod.ts";
import type { Admission } from "./access_rules.ts";
import { checkRoom, inTurn } from "./admission.ts";
import { lookUpSecret } from "./auth_query.ts";
import { replicationMode } from "./replication_mode.ts";
import type { LoginParts } from "./login_parts.ts";
import type { Opened } from "./opening.ts";

/** A client that has proved who it is. */
export interface Authenticated extends Opened {
  readonly user: string;
  readonly database: string;
  readonly credentials: ServerCredentials;
  /** AuthenticationOk and what goes before it. Not sent yet: as from PostgreSQL, it comes with what follows it. */
  readonly admission: Uint8Array;
}

/** Who the client is. Null when it went away meanwhile. */
export async function authenticate(
  worker: LoginParts,
  opened: Opened,
  peer: PeerAddress,
  namesOf: (uid: number) => readonly string[] = systemUserNames,
): Promise<Authenticated | null> {
  const { reader, startup, tls } = opened;
  const { stream } = reader;
  const minor = negotiatedMinor(startup.minor);
  if (needsNegotiation(startup)) await writeAll(stream, encodeNegotiation(minor, startup.protocolOptions));
  const named = (startup.params.get("user") ?? "").slice(0, NAME_BYTES_MAX);
  const user = utf8FromBinary(named);
  if (user === "") {
    throw new PgplexError("invalid_authorization", "no PostgreSQL user name specified in startup packet");
  }
  const asked = utf8FromBinary(startup.params.get("database") || named);
  const meant = { option: clusterOption(startup.params), serverName: tls?.serverName ?? null };
  const database = worker.console?.opens(asked)
    ? asked
    : spelledOut(worker.config, asked, clusterMeant(worker.config, meant));
  // The console has room of its own, and opens until the end: it is needed most when there is no room left.
  if (!worker.console?.opens(database)) {
    if (worker.draining) throw new PgplexError("shutting_down", "the database system is shutting down");
    await inTurn(worker, () => checkRoom(worker));
  }
  const { type, mayBe } = worker.accessRules.admissionOf({
    database,
    user,
    address: peer.port === 0 ? null : peer.host,
    tls: tls !== null,
    replication: replicationMode(startup.params.get("replication")) === "physical",
  });
  const isListed = worker.config.auth.users.has(user);
  const mustBeKnown = !proves(type) && !isListed && worker.config.auth.listed_users_only;
  const secret = worker.users.lookup(user) ??
    (proves(type) || mustBeKnown ? await lookUpSecret(worker, user, database) : null);
  if (mustBeKnown && secret === null) {
    throw notAdmitted(type, user, "auth.listed_users_only: the user is in no list");
  }
  if (type === "peer") {
    const names = peer.uid === undefined ? [] : namesOf(peer.uid);
    const isUser = names.some((name) => mayBe === null ? name === user : mayBe(name));
    if (!isUser) {
      throw notAdmitted(type, user, `the client is ${names.join() || "nobody known"} of the system`);
    }
  }
  const commonName = tls?.peerCertificate ? commonNameOf(tls.peerCertificate) ?? "" : null;
  const dialogue = new ClientAuthenticator({
    type: type === "peer" ? "trust" : type, // the system has proved who it is
    user,
    secret,
    random: worker.runtime.random,
    mockKey: worker.mockKey,
    channelBinding: tls === null ? null : worker.channelBinding,
    peerCommonName: mayBe !== null && commonName !== null && mayBe(commonName) ? user : commonName,
    secretCache: worker.secretCache,
  });
  let step: AuthStep = dialogue.start();
  while (step.kind === "send") {
    await writeAll(stream, encodeBack(Back.Authentication, step.body));
    const code = authCode(step.body);
    const answer = await readAnswer(reader, {
      user,
      sasl: code !== AUTH_REQUEST.md5 && code !== AUTH_REQUEST.cleartext,
    });
    if (answer === null) return null;
    step = dialogue.receive(answer);
  }
  if (step.kind === "failed") throw step.error;
  worker.log.debug("client logged in", { peer: peer.host, user, database });
  const bodies = [...step.bodies, authBody(AUTH_REQUEST.ok)];
  const admission = concat(...bodies.map((body) => encodeBack(Back.Authentication, body)));
  return { ...opened, user, database, credentials: step.credentials, admission };
}

/** Whether the type has the client prove that it knows a secret. */
function proves(type: Admission["type"]): boolean {
  return type !== "trust" && type !== "cert" && type !== "peer";
}

/** What a client hears that asks for no password and is not let in; only the log says why. */
function notAdmitted(type: Admission["type"], user: string, log: string): PgplexError {
  const message = `${type === "cert" ? "certificate" : type} authentication failed for user "${user}"`;
  return new PgplexError("invalid_authorization", message, { log });
}

/** The code of an Authentication message. */
function authCode(body: Uint8Array): number {
  return body[3]!;
}

/** The body of a client's PasswordMessage. Null when it went away instead. */
async function readAnswer(
  reader: FramedReader,
  { user, sasl }: { user: string; sasl: boolean },
): Promise<Uint8Array | null> {
  // As PostgreSQL, the type comes before the length: what is no message at all is told so, and not waited for.
  const head = await reader.peek(1);
  if (head === null) return null;
  if (head[0] !== Front.Password) {
    const expected = `expected ${sasl ? "SASL" : "password"} response`;
    throw new PgplexError("protocol_violation", `${expected}, got message type ${head[0]}`);
  }
  const lengthMax = sasl ? SASL_MESSAGE_BYTES_MAX : AUTH_MESSAGE_MAX;
  try {
    const frame = await reader.readFrame(lengthMax - 4);
    return frame === null ? null : frame.body.slice();
  } catch (thrown) {
    // PostgreSQL's SASL takes a wrong length for a failed attempt; its md5 closes without a word.
    if (!sasl || !(thrown instanceof FrameLengthError)) throw thrown;
    throw new PgplexError("invalid_password", `password authentication failed for user "${user}"`, {
      log: thrown.message,
    });
  }
}
