import { decodeBackend, typesOf, type WireMessage } from "./backend_messages.ts";
import * as frontend from "./frontend.ts";
import { md5Password, ScramClient } from "./wire_auth.ts";
import { WireSocket, type WireTarget, type WireTls } from "./wire_socket.ts";

export type { WireTarget, WireTls } from "./wire_socket.ts";

/** How {@link WireClient.open} connects. */
export interface WireOpenOptions {
  /** Asks for TLS with SSLRequest first, and fails when the server refuses. */
  tls?: WireTls;
  /** The limit of every wait; 10 seconds unless said. */
  deadlineMs?: number;
}

/** Who logs in. */
export interface WireLogin {
  user: string;
  password?: string;
  /** The user's name unless said. */
  database?: string;
  /** More startup parameters. */
  params?: Record<string, string>;
  /** Protocol 3.0 unless said; see {@link "./frontend.ts"}. */
  protocol?: number;
}

/** An ErrorResponse where none was expected. */
export class WireError extends Error {
  override name = "WireError";
  /** Value by field letter: C is the SQLSTATE, M the message. */
  readonly fields: Record<string, string>;

  constructor(fields: Record<string, string>) {
    super(`${fields["S"]} ${fields["C"]}: ${fields["M"]}`);
    this.fields = fields;
  }
}

/** As libpq takes it: the first error that claims to be longer is one in the format of protocol 2. */
const ERROR_BYTES_MAX = 30_000;

/**
 * A client that speaks the wire protocol byte by byte, as an oracle for tests.
 *
 * ```ts ignore
 * await using client = await WireClient.connect({ port }, { user: "app", password: "app" });
 * const messages = await client.query("SELECT 1"); // RowDescription, DataRow, CommandComplete, ReadyForQuery
 * ```
 */
export class WireClient implements AsyncDisposable {
  /** Something came already. */
  #spoken = false;
  readonly socket: WireSocket;
  /** The newest ParameterStatus of each name. */
  readonly parameters = new Map<string, string>();
  /** BackendKeyData, once it came. */
  key: { pid: number; secret: Uint8Array } | null = null;
  /** What the server asked for at login: "trust", "password", "md5" or "scram-sha-256". */
  authMethod: string | null = null;
  /** The transaction status of the last ReadyForQuery. */
  status: string | null = null;

  constructor(socket: WireSocket) {
    this.socket = socket;
  }

  /** Connects, and does TLS if asked to, but sends no startup packet. */
  static async open(target: WireTarget, options: WireOpenOptions = {}): Promise<WireClient> {
    const client = new WireClient(await WireSocket.open(target, options.deadlineMs));
    if (options.tls) {
      try {
        await client.send(frontend.sslRequest());
        const answer = await client.readByte();
        if (answer !== "S") throw new Error(`The server refuses TLS: it answered ${JSON.stringify(answer)}`);
        await client.socket.startTls(options.tls);
      } catch (thrown) {
        await client[Symbol.asyncDispose]();
        throw thrown;
      }
    }
    return client;
  }

  /** {@link open} and {@link login}. */
  static async connect(
    target: WireTarget,
    login: WireLogin,
    options: WireOpenOptions = {},
  ): Promise<WireClient> {
    const client = await WireClient.open(target, options);
    try {
      await client.login(login);
      return client;
    } catch (thrown) {
      await client[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Sends `parts` in one write. */
  async send(...parts: Uint8Array[]): Promise<void> {
    await this.socket.write(frontend.concat(parts));
  }

  /** One byte as a character: the answer to SSLRequest or GSSENCRequest. */
  async readByte(): Promise<string> {
    const bytes = await this.socket.readExactly(1, "one byte");
    if (bytes === null) throw new Error("The server closed the connection instead of sending one byte");
    return String.fromCharCode(bytes[0]!);
  }

  /** The next message. @throws {Error} at the deadline, or when the server closes. */
  async read(what = "a message"): Promise<WireMessage> {
    const message = await this.#tryRead(what);
    if (message === null) throw new Error(`The server closed the connection instead of sending ${what}`);
    return message;
  }

  /** All messages up to and with the first of one of these `types`. */
  async readUntil(types: string): Promise<WireMessage[]> {
    const messages: WireMessage[] = [];
    do {
      // The last few only, or a result of many rows would take the square of its time.
      messages.push(await this.read(`one of ${types} after ${typesOf(messages.slice(-20)) || "nothing"}`));
    } while (!types.includes(messages.at(-1)!.type));
    return messages;
  }

  /** Sends a simple query and returns all messages up to and with ReadyForQuery. Errors are messages too. */
  async query(sql: string): Promise<WireMessage[]> {
    await this.send(frontend.query(sql));
    return await this.readUntil("Z");
  }

  /** Sends Parse, Bind, Describe, Execute and Sync, and returns all messages up to and with ReadyForQuery. */
  async extended(sql: string, values: frontend.BindValue[] = []): Promise<WireMessage[]> {
    await this.send(frontend.extendedQuery(sql, values));
    return await this.readUntil("Z");
  }

  /**
   * Sends the startup packet, answers trust, cleartext, md5 or SCRAM-SHA-256, and returns all messages up to and with
   * ReadyForQuery. @throws {WireError} when the server refuses.
   */
  async login(login: WireLogin): Promise<WireMessage[]> {
    const { user, password = "", database = user, params = {}, protocol } = login;
    await this.send(frontend.startup({ user, database, ...params }, protocol));
    const messages: WireMessage[] = [];
    this.authMethod = "trust";
    let scram: ScramClient | null = null;
    for (;;) {
      const message = await this.read(`the login to go on after ${typesOf(messages) || "startup"}`);
      messages.push(message);
      if (message.type === "E") throw new WireError(message.fields!);
      if (message.type === "Z") return messages;
      if (!message.auth) continue;
      const data = new TextDecoder().decode(message.auth.data);
      switch (message.auth.code) {
        case 0:
          break;
        case 3:
          this.authMethod = "password";
          await this.send(frontend.password(password));
          break;
        case 5:
          this.authMethod = "md5";
          await this.send(frontend.password(md5Password(user, password, message.auth.data)));
          break;
        case 10:
          if (!data.split("\0").includes("SCRAM-SHA-256")) throw new Error(`No SCRAM-SHA-256 among ${data}`);
          this.authMethod = "scram-sha-256";
          scram = new ScramClient(password);
          await this.send(frontend.saslInitialResponse("SCRAM-SHA-256", scram.first()));
          break;
        case 11:
          await this.send(frontend.saslResponse(scram!.final(data)));
          break;
        case 12:
          scram!.verify(data);
          break;
        default:
          throw new Error(`Unknown authentication request ${message.auth.code}`);
      }
    }
  }

  /** Waits until the server closes, and returns the messages that came before. */
  async closed(): Promise<WireMessage[]> {
    const messages: WireMessage[] = [];
    for (;;) {
      const message = await this.#tryRead(
        `the server to close after ${typesOf(messages.slice(-20)) || "nothing"}`,
      );
      if (message === null) return messages;
      messages.push(message);
    }
  }

  /** Asserts that the server neither sends anything nor closes for `ms`. */
  async quiet(ms: number): Promise<void> {
    if (!await this.socket.anythingWithin(ms)) return;
    const message = await this.#tryRead("the rest of a message");
    throw new Error(`Expected silence, received ${message === null ? "the connection's end" : message.name}`);
  }

  /** Sends Terminate and closes. */
  async close(): Promise<void> {
    if (!this.socket.ended) await this.send(frontend.terminate()).catch(() => {});
    await this[Symbol.asyncDispose]();
  }

  /** Closes without a word. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.socket[Symbol.asyncDispose]();
  }

  /** What is said to a client of protocol 2: a text up to NUL, without length or fields, and then nothing. */
  async #oldError(head: Uint8Array): Promise<WireMessage> {
    const bytes = [...head.subarray(1)];
    while (bytes.at(-1) !== 0) {
      const byte = await this.socket.readExactly(1, "the rest of an error in the old format");
      if (byte === null) throw new Error("The server closed in the middle of an error in the old format");
      bytes.push(byte[0]!);
    }
    const text = new TextDecoder().decode(Uint8Array.from(bytes.slice(0, -1))).trim();
    const body = frontend.concat([
      frontend.cstring("SFATAL"),
      frontend.cstring("C(none)"),
      frontend.cstring(`M${text}`),
      new Uint8Array(1),
    ]);
    return decodeBackend("E", body);
  }

  async #tryRead(what: string): Promise<WireMessage | null> {
    const header = await this.socket.readExactly(5, what);
    if (header === null) return null;
    const type = String.fromCharCode(header[0]!);
    const length = new DataView(header.buffer).getInt32(1);
    const isFirst = !this.#spoken;
    this.#spoken = true;
    if (isFirst && type === "E" && (length < 8 || length > ERROR_BYTES_MAX)) {
      return await this.#oldError(header);
    }
    if (length < 4) throw new Error(`The server sent a message ${JSON.stringify(type)} of length ${length}`);
    const body = length === 4
      ? new Uint8Array(0)
      : await this.socket.readExactly(length - 4, `the body of ${type}`);
    if (body === null) {
      throw new Error(`The server closed in the middle of a message ${JSON.stringify(type)}`);
    }
    const message = decodeBackend(type, body);
    if (message.parameter) this.parameters.set(message.parameter.name, message.parameter.value);
    if (message.key) this.key = message.key;
    if (message.status) this.status = message.status;
    return message;
  }
}

/** Sends a CancelRequest on a connection of its own and waits until the server closes it. */
export async function cancel(target: WireTarget, key: { pid: number; secret: Uint8Array }): Promise<void> {
  await using client = await WireClient.open(target);
  await client.send(frontend.cancelRequest(key.pid, key.secret));
  await client.closed();
}
