import assert from "node:assert/strict";
import { freePort, waitFor } from "../harness/mod.ts";
import { type ByteStream, EpollNetwork, type Network, writeAll } from "../../src/transport/mod.ts";
import { CLOCK, pair, silentPort } from "../harness/network_pair.ts";

/** Ends what would otherwise go on for ever where a test fails. */
const DEADLINE_MS = 5000;

function openEpoll(
  resolve?: Parameters<typeof EpollNetwork.open>[1],
): { network: Network; [Symbol.asyncDispose](): Promise<void> } {
  const network = EpollNetwork.open(CLOCK, resolve);
  assert.ok(network !== null, `Deno ${Deno.version.deno} on this system does not offer what is used`);
  return { network, [Symbol.asyncDispose]: () => network.close() };
}

/** Descriptors of this process that are sockets. */
function sockets(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("socket:")) count++;
    } catch {
      // It was the folder's own.
    }
  }
  return count;
}

/** Writes to `far` what is read from `near` at once, so that neither ever waits, until `over` says so. */
async function flow(near: ByteStream, far: ByteStream, over: () => boolean): Promise<void> {
  const [bytes, into] = [new Uint8Array(16_384), new Uint8Array(16_384)];
  while (!over()) {
    await writeAll(far, bytes);
    for (let at = 0; at < bytes.length;) at += await near.read(into);
  }
}

Deno.test("EpollNetwork gives timers and other streams their turn while one stream always has bytes", async () => {
  await using opened = openEpoll();
  const [near, far] = await pair(opened.network);
  const [other, another] = await pair(opened.network);
  const endMs = performance.now() + DEADLINE_MS;
  const had = { timer: false, stream: false };
  setTimeout(() => had.timer = true, 1);
  const reading = other.read(new Uint8Array(1)).then(() => had.stream = true);
  await writeAll(another, Uint8Array.of(1));
  await flow(near, far, () => (had.timer && had.stream) || performance.now() > endMs);
  assert.deepEqual(had, { timer: true, stream: true });
  await reading;
  for (const end of [near, far, other, another]) end.close();
});

Deno.test("EpollNetwork tells a task at the end of the round in which it was put off, and puts nothing off outside of one", async () => {
  await using opened = openEpoll();
  const [near, far] = await pair(opened.network);
  const done: string[] = [];
  const putOff = (stream: ByteStream, what: string) =>
    stream.atRoundEnd!({ roundEnds: () => done.push(`end of ${what}`) });
  await writeAll(far, Uint8Array.of(1));
  const into = new Uint8Array(1);
  await near.read(into);
  await new Promise((resolve) => CLOCK.after(0, () => resolve(null)));
  assert.equal(putOff(near, "nothing"), false, "a timer is no event of a socket");
  for (const round of ["one", "another"]) {
    const reading = near.read(into).then(() => {
      done.push(round);
      for (let i = 0; i < 3; i++) assert.equal(putOff(near, round), true);
    });
    await writeAll(far, Uint8Array.of(1));
    await reading;
    await waitFor(() => done.length % 4 === 0, { what: "the end of the round" });
  }
  assert.deepEqual(
    done,
    ["one", "another"].flatMap((round) => [round, ...Array(3).fill(`end of ${round}`)]),
  );
  near.close();
  far.close();
});

Deno.test("EpollNetwork hands out bytes that lie there, however often they are asked for, while nothing else happens", async () => {
  await using opened = openEpoll();
  const [near, far] = await pair(opened.network);
  await writeAll(far, new Uint8Array(10_000));
  // By then a wait has brought nothing, and another thread waits.
  await new Promise((resolve) => CLOCK.after(20, () => resolve(null)));
  const into = new Uint8Array(100);
  let count = 0;
  const reading = (async () => {
    while (count < 10_000) count += await near.read(into);
  })();
  await waitFor(() => count === 10_000, { what: "all bytes", deadlineMs: DEADLINE_MS });
  await reading;
  near.close();
  far.close();
});

Deno.test("EpollNetwork serves others while it accepts hundreds who came at once", async () => {
  await using opened = openEpoll();
  const { network } = opened;
  const [near, far] = await pair(network);
  const port = freePort();
  const acceptor = await network.listenTcp("127.0.0.1", port);
  const clients = await Promise.all(
    Array.from({ length: 300 }, () => network.connect({ host: "127.0.0.1", port }, CLOCK, DEADLINE_MS)),
  );
  const accepted: ByteStream[] = [];
  let acceptedBefore = Infinity;
  const reading = near.read(new Uint8Array(1)).then(() => acceptedBefore = accepted.length);
  await writeAll(far, Uint8Array.of(1));
  while (accepted.length < clients.length) accepted.push((await acceptor.accept()).stream);
  await reading;
  assert.ok(acceptedBefore < 100, `${acceptedBefore} were accepted before another stream was served`);
  acceptor.close();
  for (const end of [...clients, ...accepted, near, far]) end.close();
});

Deno.test("EpollNetwork keeps no descriptor of a connection that was given up, refused or closed", async () => {
  await using opened = openEpoll();
  const { network } = opened;
  using nobody = await silentPort();
  const before = sockets();
  const silent = Array.from(
    { length: 20 },
    () => network.connect({ host: "127.0.0.1", port: nobody.port }, CLOCK, 100),
  );
  const refused = Array.from(
    { length: 20 },
    () => network.connect({ host: "localhost", port: freePort() }, CLOCK, DEADLINE_MS),
  );
  for (const { status } of await Promise.allSettled([...silent, ...refused])) {
    assert.equal(status, "rejected");
  }
  const [near, far] = await pair(network);
  near.close();
  far.close();
  // The kernel would give up after two minutes.
  await waitFor(() => sockets() <= before, { what: "the descriptors to be closed" });
});

Deno.test("EpollNetwork connects to the address of a name that answers, whether those before it refuse or say nothing", async () => {
  using nobody = await silentPort("127.0.0.2");
  await using opened = openEpoll((name) =>
    Promise.resolve(name === "db" ? ["127.0.0.3", "127.0.0.2", "127.0.0.1"] : [])
  );
  const { network } = opened;
  const acceptor = await network.listenTcp("127.0.0.1", nobody.port);
  const before = sockets();
  const [{ stream, peer }, connected] = await Promise.all([
    acceptor.accept(),
    network.connect({ host: "db", port: nobody.port }, CLOCK, 900),
  ]);
  assert.equal(peer.localHost, "127.0.0.1");
  assert.equal(sockets(), before + 2, "nothing is left of the address that did not answer");
  for (const end of [stream, connected, acceptor]) end.close();
});
