import type { Clock } from "../../kernel/mod.ts";
import { type Acceptor, type ByteStream, RuntimeNetwork } from "../../transport/mod.ts";
import { dial, reasonOf, type Upstream } from "./dial.ts";
import { GoawayGate } from "./goaway_gate.ts";
import { SocketFolder } from "./socket_folder.ts";

/** Of each direction of each connection; what the other side does not take is not read. */
const BUFFER_BYTES = 16 * 1024;
/** Connecting, TLS, and the first bytes of HTTP/2. */
const OPEN_MS_MAX = 2_000;
/** The library has one for each member; more come only while old ones end. */
const CONNECTIONS_MAX = 16;

/** What stands between the library and a member. */
interface Post {
  readonly upstream: Upstream;
  readonly acceptor: Acceptor;
  readonly links: Set<Link>;
  problem: string | null;
}

/** A connection of the library's, and the one to the member that it leads to. */
interface Link {
  readonly near: ByteStream;
  far: ByteStream | null;
  /** When the member said something last, or was connected to. */
  heardMs: number;
}

/**
 * Stands between the library and etcd's members: a unix socket for each of them, in a folder that only this user may enter. It ends TLS towards
 * etcd, and takes the GOAWAY out of what a member sends: the runtime's HTTP/2 can abort the whole process for one (denoland/deno issue 36788),
 * while a connection that just ends does no harm. Bytes pass as they are otherwise.
 */
export class Shim {
  readonly #clock: Clock;
  readonly #folder: SocketFolder;
  readonly #posts: Post[] = [];
  readonly #running = new Set<Promise<void>>();
  #isClosed = false;
  #closing: Promise<void> | null = null;

  private constructor(folder: SocketFolder, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /**
   * Its sockets are in a folder of their own in `dir`, the folder for temporary files unless given, from which it removes what killed
   * processes have left.
   *
   * @throws Error when no folder or no socket can be made: their path is the reason, where TMPDIR is very long
   */
  static async open(upstreams: readonly Upstream[], clock: Clock, dir?: string): Promise<Shim> {
    const folder = await SocketFolder.make(dir);
    const shim = new Shim(folder, clock);
    try {
      shim.#track(folder.sweep(clock.wallMs()));
      const network = new RuntimeNetwork();
      for (const [index, upstream] of upstreams.entries()) {
        const acceptor = network.listenUnix(`${folder.path}/${index}`);
        const post: Post = { upstream, acceptor, links: new Set(), problem: null };
        shim.#posts.push(post);
        shim.#track(shim.#accept(post));
      }
      return shim;
    } catch (error) {
      await shim.close();
      throw error;
    }
  }

  /** Where the library finds a member: gRPC's name of a unix socket. */
  addressOf(member: number): string {
    return `unix:${this.#folder.path}/${member}`;
  }

  /** What went wrong with the last connection to a member that brought nothing; null where one did. */
  problemOf(member: number): string | null {
    return this.#posts[member]!.problem;
  }

  /**
   * Ends the connections to a member that have said nothing since a time, on the clock's `exactMs`. One that leads into the void would be kept
   * for as long as the kernel sends again, a quarter of an hour: gRPC looks for that only while a call is under way for longer.
   */
  drop(member: number, sinceMs: number): void {
    for (const link of this.#posts[member]!.links) if (link.heardMs < sinceMs) endLink(link);
  }

  /** Ends all connections and removes the folder. Safe to call twice. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    for (const { acceptor, links } of this.#posts) {
      acceptor.close();
      for (const link of links) endLink(link);
    }
    await Promise.allSettled(this.#running);
    await this.#folder.remove();
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    work.finally(() => this.#running.delete(work));
  }

  async #accept(post: Post): Promise<void> {
    for (;;) {
      let near: ByteStream;
      try {
        ({ stream: near } = await post.acceptor.accept());
      } catch (error) {
        if (this.#isClosed) return;
        // No descriptors are left, most likely: whoever connects waits in the backlog meanwhile.
        post.problem = `cannot accept: ${reasonOf(error)}`;
        await new Promise<void>((resolve) => this.#clock.after(100, resolve));
        continue;
      }
      if (this.#isClosed || post.links.size >= CONNECTIONS_MAX) near.close();
      else this.#track(this.#serve(post, { near, far: null, heardMs: this.#clock.exactMs() }));
    }
  }

  async #serve(post: Post, link: Link): Promise<void> {
    post.links.add(link);
    const openUntilMs = this.#clock.exactMs() + OPEN_MS_MAX;
    try {
      link.far = await dial(post.upstream, { clock: this.#clock, timeoutMs: OPEN_MS_MAX });
      if (!this.#isClosed) await this.#join(post, link, openUntilMs);
    } catch (error) {
      post.problem = reasonOf(error);
    } finally {
      post.links.delete(link);
      endLink(link);
    }
  }

  /** Passes bytes both ways until one side ends. @throws Error when the far side has not said a byte */
  async #join(post: Post, link: Link, openUntilMs: number): Promise<void> {
    const [near, far] = [link.near, link.far!];
    let heard = false;
    let isLate = false;
    const timer = this.#clock.after(openUntilMs - this.#clock.exactMs(), () => {
      isLate = true;
      endLink(link);
    });
    const gate = new GoawayGate();
    const up = pump(near, far, (bytes) => bytes.length);
    const down = pump(far, near, (bytes) => {
      link.heardMs = this.#clock.exactMs();
      if (!heard) {
        heard = true;
        post.problem = null;
        timer.cancel();
      }
      return gate.pass(bytes);
    });
    // What breaks off in the other direction is the consequence of this one.
    await Promise.race([up, down].map((pumping) => pumping.catch(() => {})));
    endLink(link);
    const [, ended] = await Promise.allSettled([up, down]);
    timer.cancel();
    if (heard || this.#isClosed) return;
    if (isLate) throw new Error("it accepts connections and does not answer");
    const isBroken = ended.status === "rejected" && !(ended.reason instanceof Deno.errors.BadResource);
    throw new Error(silenceOf(post.upstream, isBroken ? reasonOf(ended.reason) : null));
  }
}

function endLink({ near, far }: Link): void {
  near.close();
  far?.close();
}

/** What is wrong where a member ends a connection and has said nothing. */
function silenceOf({ tls }: Upstream, broken: string | null): string {
  const text = `it ends the connection without an answer${broken === null ? "" : ` (${broken})`}`;
  if (tls === null) return `${text}: does it want https?`;
  return tls.certPem === null
    ? `${text}: does it want a client certificate (cert_file, key_file)?`
    : `${text}: does it trust the authority of the client certificate (cert_file)?`;
}

/** Copies up to the end, or up to where `pass` lets not all of a chunk through. @throws Error as either stream does */
async function pump(
  from: ByteStream,
  to: ByteStream,
  pass: (bytes: Uint8Array) => number,
): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  for (;;) {
    const count = await from.read(buffer);
    if (count === 0) return;
    const end = pass(buffer.subarray(0, count));
    for (let at = 0; at < end;) at += await to.write(buffer.subarray(at, end));
    if (end < count) return;
  }
}
