import { FakeStream } from "../backend/fake_server_test.ts";
import { fakeRuntime, GREETING } from "../backend/fake_network_test.ts";
import { concat, PgplexError } from "../kernel/mod.ts";
import { Back, encodeBack, encodeError, encodeReadyForQuery, TxStatus } from "../protocol/mod.ts";

/** What one fake node does with connections and questions; tests change it as they go. */
export interface FakeNode {
  /** `up`: logs in and answers; `mute`: takes everything and says nothing; `refused`: nothing listens; else a FATAL's SQLSTATE. */
  login: "up" | "mute" | "refused" | (string & Record<never, never>);
  /** The row that it answers with; null: nothing. */
  row: (string | null)[] | null;
  /** Answers with this error instead, where set. */
  error: string | null;
  /** How busy its host is, as pgplex.load says it, or the SQLSTATE with which that is refused. */
  load: string | null;
  loadError: string | null;
  /** Questions so far. */
  asked: number;
  readonly streams: FakeStream[];
  /** Answers the last question after all, as a primary. */
  answer(): void;
}

/** The row of a primary, or with `standby` of one. */
export function rowOf(
  { standby = false, system = "7", timeline = "1", lsn = "0/3000100", readsLoad = null as string | null } =
    {},
): (string | null)[] {
  const replay = standby ? lsn : null;
  const streaming = standby ? "t" : "f";
  const written = [standby ? "t" : "f", system, "180001", timeline, lsn, replay, streaming];
  return [...written, "2", "100", "16777216", "8192", null, null, "", readsLoad];
}

/** Nodes by host, on a network and a clock of the test's own. */
export class FakeNodes {
  readonly runtime = fakeRuntime();
  readonly #nodes = new Map<string, FakeNode>();

  constructor() {
    const { network } = this.runtime;
    network.connect = (endpoint) => {
      network.endpoints.push(endpoint);
      const node = this.at(endpoint.host);
      if (node.login === "refused") return Promise.reject(new Deno.errors.ConnectionRefused("refused"));
      const stream = new FakeStream();
      node.streams.push(stream);
      stream.onWrite = (bytes) => this.#take(node, stream, bytes);
      return Promise.resolve(stream);
    };
  }

  at(host: string): FakeNode {
    let node = this.#nodes.get(host);
    if (node === undefined) {
      const streams: FakeStream[] = [];
      const answer = () => streams.at(-1)!.say(concat(dataRow(rowOf()), encodeReadyForQuery(TxStatus.Idle)));
      node = {
        login: "up",
        row: rowOf(),
        error: null,
        load: null,
        loadError: null,
        asked: 0,
        streams,
        answer,
      };
      this.#nodes.set(host, node);
    }
    return node;
  }

  #take(node: FakeNode, stream: FakeStream, bytes: Uint8Array): void {
    if (node.login === "mute") return;
    if (bytes[0] === 0) { // a startup packet begins with its length
      stream.say(node.login === "up" ? GREETING : encodeError("FATAL", errorOf(node.login)));
      return;
    }
    if (bytes[0] === 0x58) return; // Terminate
    if (new TextDecoder("latin1").decode(bytes).includes("pgplex.load")) {
      const said = node.loadError === null
        ? dataRow([node.load])
        : encodeError("ERROR", errorOf(node.loadError));
      return stream.say(concat(said, encodeReadyForQuery(TxStatus.Idle)));
    }
    node.asked++;
    if (node.row === null) return;
    const ready = encodeReadyForQuery(TxStatus.Idle);
    const answer = node.error === null ? dataRow(node.row) : encodeError("ERROR", errorOf(node.error));
    // A new connection asks for a setting first.
    stream.say(concat(bytes[0] === 0x51 ? ready : new Uint8Array(), answer, ready));
  }

  /** Time passes, in steps in which everything comes to rest. */
  async advance(ms: number, stepMs = 10): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.runtime.clock.advance(stepMs);
      await this.rest();
    }
  }

  async rest(): Promise<void> {
    for (let turn = 0; turn < 60; turn++) await Promise.resolve();
  }
}

function errorOf(sqlstate: string): PgplexError {
  return new PgplexError("internal", "no", { sqlstate });
}

function dataRow(row: readonly (string | null)[]): Uint8Array {
  const int32 = (value: number) =>
    [24, 16, 8, 0].map((bits) => String.fromCharCode((value >>> bits) & 255)).join("");
  const cells = row.map((value) => value === null ? int32(-1) : int32(value.length) + value);
  const body = `\0${String.fromCharCode(row.length)}${cells.join("")}`;
  return encodeBack(Back.DataRow, Uint8Array.from(body, (unit) => unit.charCodeAt(0)));
}
