import type { Target } from "./targets.ts";
import { residentBytes } from "./process_stats.ts";

/** Resident memory of a proxy, in bytes. */
export interface IdleMemory {
  readonly clients: number;
  /** With a few clients, before the others came. */
  readonly baseBytes: number;
  /** With all of them, logged in, silent. */
  readonly loggedInBytes: number;
  /** With all of them after each ran one statement. */
  readonly usedBytes: number;
}

const WARM_CLIENTS = 100;
const CONNECTING_MAX = 50;

/**
 * Holds `clients` idle connections to `target` and reads its resident memory. They speak the protocol by hand, as a
 * driver's own buffers would fill this process.
 *
 * Some come and go before the first look: what the runtime allocates once for any client is not counted to each.
 */
export async function measureIdle(
  target: Target & { pid: number },
  clients: number,
  signal: AbortSignal,
): Promise<IdleMemory> {
  const warm = await open(target, WARM_CLIENTS, signal);
  await Promise.all(warm.map(query));
  close(warm);
  await settled(target.pid, signal);
  const baseBytes = await residentBytes(target.pid);
  const connections = await open(target, clients, signal);
  try {
    await settled(target.pid, signal);
    const loggedInBytes = await residentBytes(target.pid);
    for (let i = 0; i < connections.length; i += CONNECTING_MAX) {
      signal.throwIfAborted();
      await Promise.all(connections.slice(i, i + CONNECTING_MAX).map(query));
    }
    await settled(target.pid, signal);
    return { clients, baseBytes, loggedInBytes, usedBytes: await residentBytes(target.pid) };
  } finally {
    close(connections);
  }
}

async function open(target: Target, count: number, signal: AbortSignal): Promise<Deno.Conn[]> {
  const connections: Deno.Conn[] = [];
  try {
    while (connections.length < count) {
      signal.throwIfAborted();
      const batch = Math.min(CONNECTING_MAX, count - connections.length);
      const attempts = await Promise.allSettled(Array.from({ length: batch }, () => login(target)));
      for (const attempt of attempts) if (attempt.status === "fulfilled") connections.push(attempt.value);
      const failed = attempts.find((attempt) => attempt.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    }
    return connections;
  } catch (thrown) {
    close(connections);
    throw thrown;
  }
}

async function login(target: Target): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: target.host, port: target.port });
  try {
    const text = `user\0${target.user}\0database\0${target.database}\0\0`;
    const message = new Uint8Array(8 + text.length);
    const view = new DataView(message.buffer);
    view.setUint32(0, message.length);
    view.setUint32(4, 0x0003_0000); // protocol 3.0
    new TextEncoder().encodeInto(text, message.subarray(8));
    await writeAll(connection, message);
    await untilReady(connection, target.name);
    return connection;
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
}

async function query(connection: Deno.Conn): Promise<void> {
  const message = new TextEncoder().encode("Q\0\0\0\0SELECT 1\0");
  new DataView(message.buffer).setUint32(1, message.length - 1);
  await writeAll(connection, message);
  await untilReady(connection, "the proxy");
}

/** Reads whole messages until ReadyForQuery. @throws {Error} at an ErrorResponse or the end of the stream. */
async function untilReady(connection: Deno.Conn, who: string): Promise<void> {
  let pending = new Uint8Array(0);
  const buffer = new Uint8Array(4096);
  for (;;) {
    const read = await connection.read(buffer);
    if (read === null) throw new Error(`${who} closed a connection that was to stay idle`);
    const bytes = new Uint8Array(pending.length + read);
    bytes.set(pending);
    bytes.set(buffer.subarray(0, read), pending.length);
    let at = 0;
    while (at + 5 <= bytes.length) {
      const type = bytes[at];
      const end = at + 1 + new DataView(bytes.buffer).getUint32(at + 1);
      if (end > bytes.length) break;
      if (type === 0x5a) return; // Z, ReadyForQuery
      if (type === 0x45) { // E, ErrorResponse
        const text = new TextDecoder().decode(bytes.subarray(at + 5, end)).split("\0").join(" ");
        throw new Error(`${who} answered with an error: ${text}`);
      }
      at = end;
    }
    pending = bytes.subarray(at);
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

function close(connections: readonly Deno.Conn[]): void {
  for (const connection of connections) connection.close();
}

/** A collector comes by itself some ten seconds after the last login, or not at all. */
const STILL_SECONDS = 15;
const SETTLING_SECONDS_MAX = 60;

/** Waits until the memory of process `pid` has stood still for {@link STILL_SECONDS}. */
async function settled(pid: number, signal: AbortSignal): Promise<void> {
  let still = await residentBytes(pid);
  for (let second = 0, stillSince = 0; second < SETTLING_SECONDS_MAX; second++) {
    if (second - stillSince >= STILL_SECONDS) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    signal.throwIfAborted();
    const now = await residentBytes(pid);
    if (Math.abs(now - still) < 0.01 * now) continue;
    still = now;
    stillSince = second + 1;
  }
}
