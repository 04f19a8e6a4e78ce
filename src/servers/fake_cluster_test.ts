import { decodeBackend, type WireMessage } from "../../tests/harness/backend_messages.ts";
import { ModelServer } from "../../tests/harness/model_server.ts";
import { FakeStream } from "../backend/fake_server_test.ts";
import { fakeRuntime } from "../backend/fake_network_test.ts";
import { type Config, formatProblem, parseConfig } from "../config/mod.ts";
import { concat, PgplexError } from "../kernel/mod.ts";
import {
  Back,
  decodeStartup,
  encodeBack,
  encodeBackendKeyData,
  encodeError,
  encodeParameterStatus,
  encodeQuery,
  encodeReadyForQuery,
  encodeTextRow,
  int32At,
  TxStatus,
} from "../protocol/mod.ts";
import type { Log, LogFields } from "../telemetry/mod.ts";
import { mergeTopology, NO_TOPOLOGY, TopologyPublisher } from "../topology/mod.ts";

/** The configuration in `yaml`. @throws Error that names its problems */
export function configOf(yaml: string): Config {
  const parsed = parseConfig(yaml, { file: "pgplex.yaml" });
  if ("problems" in parsed) throw new Error(parsed.problems.map(formatProblem).join("\n"));
  return parsed.config;
}

/** The nodes of `config`, the first of each cluster as its primary. */
export function topologyOf(config: Config): TopologyPublisher {
  return new TopologyPublisher(mergeTopology(NO_TOPOLOGY, config));
}

/** Turns of the microtasks after which what was set in motion is at rest, or never will be. */
const TURNS_MAX = 10_000;

/** Lets what is under way go on until `condition` holds. @throws Error when it never does */
export async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    if (turns === TURNS_MAX) throw new Error(`This never comes about: ${condition}`);
    await Promise.resolve();
  }
}

/** Lets everything that is under way come to rest: what has not happened behind it does not happen. */
export async function atRest(): Promise<void> {
  for (let turns = 0; turns < 500; turns++) await Promise.resolve();
}

/** The messages in what a server, or pgplex as one, sent. */
export function messagesIn(bytes: Uint8Array): WireMessage[] {
  const messages: WireMessage[] = [];
  for (let at = 0; at < bytes.length; at += 1 + int32At(bytes, at + 1)) {
    const body = bytes.subarray(at + 5, at + 1 + int32At(bytes, at + 1));
    messages.push(decodeBackend(String.fromCharCode(bytes[at]!), body));
  }
  return messages;
}

/** A log that keeps its lines: level, message, and the fields as they were given. */
export class FakeLog implements Log {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: LogFields }[] = [];
  readonly debug: Log["debug"] = (message, fields) => this.#add("debug", message, fields);
  readonly info: Log["info"] = (message, fields) => this.#add("info", message, fields);
  readonly warning: Log["warning"] = (message, fields) => this.#add("warning", message, fields);
  readonly error: Log["error"] = (message, fields) => this.#add("error", message, fields);

  /** The messages of one level. */
  of(level: keyof Log): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }

  #add(level: string, message: string, fields: LogFields = {}): void {
    this.lines.push({ level, message, fields });
  }
}

/** What a reset says in capitals, in the model's letters. */
const RESETS: Readonly<Record<string, Uint8Array>> = {
  "ROLLBACK": encodeQuery("rollback"),
  "DISCARD ALL": encodeQuery("discard all"),
  "COMMIT": encodeQuery("commit"),
};

/** What a reset asks besides: there is none. */
const TEMP_SCHEMA = "SELECT pg_catalog.pg_my_temp_schema()";

/** How a transaction of pgplex's own begins: with what it puts aside, each as nobody has set it. */
function putsAside(sql: string): Uint8Array | null {
  if (!sql.startsWith("BEGIN ISOLATION LEVEL")) return null;
  return concat(...sql.split(";").filter((part) => part.startsWith("SHOW")).map(() => encodeTextRow("none")));
}

/** How servers take a login. */
export type LoginPlay = "takes it" | "hangs up" | "says nothing" | { readonly sqlstate: string };

/** One connection to a server of a {@link FakeCluster}, logged in. */
export interface FakeServer {
  readonly stream: FakeStream;
  readonly host: string;
  readonly params: ReadonlyMap<string, string>;
  readonly pid: number;
  readonly model: ModelServer;
  /** The SQL of simple queries and Parse messages. */
  readonly asked: string[];
}

/** PostgreSQL servers at the other end of a {@link fakeRuntime}: they take logins, then each is a {@link ModelServer}. */
export class FakeCluster {
  readonly runtime = fakeRuntime();
  login: LoginPlay = "takes it";
  /** What servers report of themselves at a login. */
  readonly reports = new Map([["server_version", "17.0"], ["application_name", ""], [
    "client_encoding",
    "UTF8",
  ], ["TimeZone", "UTC"]]);
  /** Every login so far, those that were refused too: the host, and the startup parameters. */
  readonly logins: { readonly host: string; readonly params: ReadonlyMap<string, string> }[] = [];
  /** Connections that were logged in, also those that are over. */
  readonly servers: FakeServer[] = [];
  /** The process ids of cancel requests. */
  readonly cancels: number[] = [];
  /** What servers answer to some SQL in the model's place: all but ReadyForQuery. Null for what the model answers. */
  answer: (sql: string) => Uint8Array | null = () => null;

  constructor() {
    const { network } = this.runtime;
    network.onConnect = (stream) => this.#play(stream, network.endpoints.at(-1)!.host);
  }

  #play(stream: FakeStream, host: string): void {
    let server: FakeServer | null = null;
    let pending: Uint8Array | null = null;
    stream.onWrite = (bytes) => {
      if (server === null) {
        server = this.#greet(stream, host, bytes);
        return;
      }
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + int32At(bytes, at + 1);
        const frame = bytes.subarray(at, end);
        const type = String.fromCharCode(bytes[at]!);
        at = end;
        const sql = sqlIn(type, frame);
        if (sql !== null) server.asked.push(sql);
        if (sql !== null) {
          pending ??= this.answer(sql) ?? putsAside(sql) ?? (sql === TEMP_SCHEMA ? encodeTextRow("0") : null);
        }
        const reset = type === "Q" ? RESETS[sql!] : undefined;
        if (pending === null) stream.say(server.model.receive(reset ?? frame));
        else if (type === "Q" || type === "S") {
          stream.say(pending, encodeReadyForQuery(TxStatus.Idle));
          pending = null;
        }
      }
      if (server.model.ended) stream.end();
    };
  }

  #greet(stream: FakeStream, host: string, bytes: Uint8Array): FakeServer | null {
    const request = decodeStartup(bytes, 0, bytes.length);
    if (request.kind === "cancel") {
      this.cancels.push(request.pid);
      stream.end();
    } else if (request.kind === "ssl") stream.say(Uint8Array.of(0x4e));
    else if (request.kind === "startup") return this.#logIn(stream, host, request.startup.params);
    return null;
  }

  #logIn(stream: FakeStream, host: string, params: ReadonlyMap<string, string>): FakeServer | null {
    this.logins.push({ host, params });
    const { login } = this;
    if (login === "hangs up") stream.end();
    if (typeof login === "object") {
      stream.say(encodeError("FATAL", new PgplexError("internal", `no: ${login.sqlstate}`, login)));
    }
    if (login !== "takes it") return null;
    const pid = 100 + this.servers.length;
    const { reports } = this;
    stream.say(concat(
      encodeBack(Back.Authentication, new Uint8Array(4)),
      ...[...reports].map(([name, value]) => encodeParameterStatus(name, value)),
      encodeBackendKeyData(pid, Uint8Array.of(1, 2, 3, 4)),
      encodeReadyForQuery(TxStatus.Idle),
    ));
    const server = { stream, host, params, pid, model: new ModelServer(), asked: [] };
    this.servers.push(server);
    return server;
  }
}

function sqlIn(type: string, frame: Uint8Array): string | null {
  if (type !== "Q" && type !== "P") return null;
  const [first = "", second = ""] = new TextDecoder("latin1").decode(frame.subarray(5)).split("\0");
  return type === "Q" ? first : second;
}
