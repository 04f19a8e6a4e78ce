import { freePort } from "./mod.ts";
import { RoundClock } from "../../src/kernel/mod.ts";
import type { ByteStream, Network } from "../../src/transport/mod.ts";
import { realClock } from "./tls_peer.ts";

/** The system's clock, held while a network serves its sockets. */
export const CLOCK = new RoundClock(realClock);

/** Both ends of a connection over TCP, the accepted one first. */
export async function pair(network: Network): Promise<[ByteStream, ByteStream]> {
  const port = freePort();
  const acceptor = await network.listenTcp("127.0.0.1", port);
  const [accepted, connected] = await Promise.all([
    acceptor.accept(),
    network.connect({ host: "127.0.0.1", port }, CLOCK, 5000),
  ]);
  acceptor.close();
  return [accepted.stream, connected];
}

/** Both ends of a connection over a unix socket, the accepted one first. */
export async function unixPair(network: Network): Promise<[ByteStream, ByteStream]> {
  const host = await Deno.makeTempDir();
  const acceptor = network.listenUnix(`${host}/.s.PGSQL.1`);
  const [accepted, connected] = await Promise.all([
    acceptor.accept(),
    network.connect({ host, port: 1 }, CLOCK, 5000),
  ]);
  acceptor.close();
  await Deno.remove(host, { recursive: true });
  return [accepted.stream, connected];
}

/** A port of `hostname`, any or this one, on which nothing answers: who listens there accepts nobody, and his queue is full. */
export async function silentPort(hostname = "127.0.0.1", wanted = 0): Promise<{ port: number } & Disposable> {
  const listener = Deno.listen({ hostname, port: wanted, tcpBacklog: 1 });
  const { port } = listener.addr;
  const queued: Deno.Conn[] = [];
  for (let late = false; !late;) {
    await Deno.connect({ hostname, port, signal: AbortSignal.timeout(200) })
      .then((conn) => queued.push(conn), () => late = true);
  }
  return {
    port,
    [Symbol.dispose]: () => {
      for (const conn of queued) conn.close();
      listener.close();
    },
  };
}
