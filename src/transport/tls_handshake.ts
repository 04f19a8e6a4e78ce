import process from "node:process";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../kernel/mod.ts";
import type { ByteStream } from "./stream.ts";
import { CipherDuplex } from "./tls_duplex.ts";
import { SecureStream, type TlsFacts } from "./tls_stream.ts";

/** What one side of a handshake has of its own. */
export interface HandshakeSide {
  /** Bytes of the peer that were read before; they come first. */
  readonly initialBytes: Uint8Array;
  /** Makes the socket over `duplex` and calls `ready` once, in the turn in which the handshake ends well. */
  start(duplex: CipherDuplex, ready: (socket: TLSSocket) => void, failed: (error: Error) => void): void;
  /** Looks at the peer's certificate and the like; throws to refuse. */
  inspect(socket: TLSSocket): Pick<TlsFacts, "peerCertificate" | "peerCommonName">;
}

/** A handshake that was not finished in its time. */
export class HandshakeTimeout extends Error {
  override name = "HandshakeTimeout";
}

/** The peer has gone without a byte of a handshake: it only wanted to know whether somebody answers. */
export class PeerLeft extends Error {
  override name = "PeerLeft";
}

/** Runs one handshake. Whatever goes wrong, the stream is closed and the promise rejects with what the runtime said. */
export function shakeHands(
  stream: ByteStream,
  side: HandshakeSide,
  timing: { clock: Clock; timeoutMs: number },
): Promise<SecureStream> {
  const duplex = new CipherDuplex(stream, side.initialBytes);
  const { promise, resolve, reject } = Promise.withResolvers<SecureStream>();
  let pending = true;
  let started = false;
  duplex.demand = () => pending && started;
  const settle = () => {
    pending = false;
    timer.cancel();
    duplex.off("end", onClose);
    duplex.off("close", onClose);
    duplex.off("error", failed);
  };
  const failed = (error: Error) => {
    if (!pending) return;
    settle();
    const left = !duplex.received && (duplex.ended || duplex.failure !== null);
    reject(left ? new PeerLeft("the peer left before the TLS handshake") : duplex.failure ?? error);
    duplex.destroy();
  };
  const onClose = () => failed(new Error("the peer closed the connection during the TLS handshake"));
  const timer = timing.clock.after(timing.timeoutMs, () => {
    failed(new HandshakeTimeout(`the TLS handshake was not finished within ${timing.timeoutMs} ms`));
  });
  // An accepting TLSSocket takes the end of its input for no reason to give up.
  duplex.on("end", onClose);
  duplex.on("close", onClose);
  duplex.on("error", failed);
  const ready = (socket: TLSSocket) => {
    if (!pending) return;
    try {
      const facts: TlsFacts = {
        ...side.inspect(socket),
        protocol: socket.getProtocol() ?? "unknown",
        cipher: socket.getCipher()?.name ?? "unknown",
        alpn: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : null,
        serverName: serverNameOf(socket),
      };
      settle();
      resolve(new SecureStream(socket, duplex, { facts, clock: timing.clock }));
    } catch (error) {
      failed(error instanceof Error ? error : new Error(String(error)));
    }
  };
  try {
    side.start(duplex, ready, failed);
    // A TLSSocket starts in the next tick. Bytes that lie there by then and make it fail end the whole process, in Deno
    // 2.9.6: it goes on with a handle that is gone.
    process.nextTick(() => {
      started = true;
      duplex.pump();
    });
  } catch (error) {
    failed(error instanceof Error ? error : new Error(String(error)));
  }
  return promise;
}

/** A version of TLS as node:tls and OpenSSL name it. */
export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** The least and the greatest of `versions`, which are neighbours; nothing for none. */
export function versionRange(
  versions: readonly TlsVersion[] = [],
): { minVersion?: TlsVersion; maxVersion?: TlsVersion } {
  const [minVersion, maxVersion = minVersion] = versions.toSorted();
  return minVersion === undefined ? {} : { minVersion, maxVersion: maxVersion! };
}

/** The types of node:tls leave it out; it is false where there is none. */
function serverNameOf(socket: TLSSocket): string | null {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === "string" && servername !== "" ? servername : null;
}

/** What an error of node:tls says for the log. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as { code?: unknown }).code;
  return typeof code === "string" ? `${error.message} (${code})` : error.message;
}
