import assert from "node:assert/strict";
import { freePort } from "../harness/mod.ts";
import {
  type Acceptor,
  type ByteStream,
  EpollNetwork,
  type Network,
  RuntimeNetwork,
  writeAll,
} from "../../src/transport/mod.ts";
import { CLOCK, pair, silentPort, unixPair } from "../harness/network_pair.ts";

/** A network and what ends it. */
type Opened = { network: Network; [Symbol.asyncDispose](): Promise<void> };

const KINDS: readonly [name: string, open: () => Opened][] = [
  ["EpollNetwork", () => {
    const network = EpollNetwork.open(CLOCK);
    assert.ok(network !== null, `Deno ${Deno.version.deno} on this system does not offer what is used`);
    return { network, [Symbol.asyncDispose]: () => network.close() };
  }],
  ["RuntimeNetwork", () => ({ network: new RuntimeNetwork(), [Symbol.asyncDispose]: async () => {} })],
];

/** Reads until `bytes` are there, or the stream ends. */
async function readAll(
  stream: ByteStream,
  bytes: number,
  into = new Uint8Array(70_000),
): Promise<Uint8Array> {
  const all = new Uint8Array(bytes);
  for (let at = 0; at < bytes;) {
    const count = await stream.read(into);
    if (count === 0) return all.subarray(0, at);
    all.set(into.subarray(0, count), at);
    at += count;
  }
  return all;
}

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8)) & 255);
}

for (const [name, open] of KINDS) {
  Deno.test(`${name} moves bytes both ways and reads 0 at the end`, async () => {
    await using opened = open();
    const [near, far] = await pair(opened.network);
    await writeAll(far, Uint8Array.of(1, 2, 3));
    assert.deepEqual([...await readAll(near, 3, new Uint8Array(2))], [1, 2, 3]);
    await writeAll(near, Uint8Array.of(4));
    assert.deepEqual([...await readAll(far, 1)], [4]);
    await writeAll(far, Uint8Array.of(5));
    far.close();
    assert.deepEqual([...await readAll(near, 10)], [5], "what was written before the end is not lost");
    assert.equal(await near.read(new Uint8Array(1)), 0);
    near.close();
    near.close();
  });

  Deno.test(`${name} moves megabytes to a reader that is slower than the writer, none lost and none twice`, async () => {
    await using opened = open();
    const [near, far] = await pair(opened.network);
    const sent = pattern(8_000_000);
    const [received] = await Promise.all([
      readAll(near, sent.length),
      (async () => {
        for (let at = 0; at < sent.length;) {
          const end = Math.min(sent.length, at + 300_000);
          const now = far.writeNow(sent, at, end);
          at += now;
          if (at < end) at += await far.write(sent.subarray(at, end));
        }
      })(),
    ]);
    assert.ok(Buffer.compare(received, sent) === 0, "the bytes differ");
    near.close();
    far.close();
  });

  Deno.test(`${name} serves many connections at once, each with its own bytes`, async () => {
    await using opened = open();
    const pairs: [ByteStream, ByteStream][] = [];
    while (pairs.length < 100) pairs.push(await pair(opened.network));
    await Promise.all(pairs.map(async ([near, far], i) => {
      for (let round = 0; round < 20; round++) {
        await writeAll(far, Uint8Array.of(i, round));
        assert.deepEqual([...await readAll(near, 2)], [i, round]);
        await writeAll(near, Uint8Array.of(round, i));
        assert.deepEqual([...await readAll(far, 2)], [round, i]);
      }
    }));
    for (const ends of pairs) for (const end of ends) end.close();
  });

  Deno.test(`${name}'s closed stream rejects the read under way, and every other`, async () => {
    await using opened = open();
    const [near, far] = await pair(opened.network);
    const reading = near.read(new Uint8Array(1)).catch((error) => error);
    near.close();
    const error = await reading;
    assert.ok(
      error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted,
      String(error),
    );
    await assert.rejects(near.read(new Uint8Array(1)), Deno.errors.BadResource);
    await assert.rejects(near.write(new Uint8Array(1)), Deno.errors.BadResource);
    assert.equal(near.writeNow(new Uint8Array(1), 0, 1), 0);
    far.close();
  });

  Deno.test(`${name} rejects with the reset of its peer`, async () => {
    await using opened = open();
    const [near, far] = await pair(opened.network);
    // What was not read makes the close a reset.
    await writeAll(near, new Uint8Array(10));
    await far.read(new Uint8Array(1));
    far.close();
    await assert.rejects(async () => {
      for (;;) if (await near.read(new Uint8Array(1)) === 0) await near.write(new Uint8Array(1));
    }, (error) => error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe);
    near.close();
  });

  for (const [where, ends] of [["TCP", pair], ["a unix socket", unixPair]] as const) {
    Deno.test(`${name} reads what its peer said before it reset the connection, behind writes that fail, over ${where}`, async () => {
      await using opened = open();
      for (let i = 0; i < 50; i++) {
        const [near, far] = await ends(opened.network);
        await writeAll(near, Uint8Array.of(9));
        await writeAll(far, pattern(10_000));
        // What nobody has read makes it a reset.
        far.close();
        await assert.rejects(
          async () => {
            for (;;) await near.write(Uint8Array.of(9));
          },
          (error) => error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe,
        );
        assert.deepEqual(await readAll(near, 10_000), pattern(10_000));
        near.close();
      }
    });
  }

  Deno.test(`${name} connects by name and over a unix socket, and says who came`, async () => {
    await using opened = open();
    const { network } = opened;
    const folder = await Deno.makeTempDir();
    const unix = network.listenUnix(`${folder}/.s.PGSQL.1`);
    const localPort = freePort();
    const tcp = await network.listenTcp("127.0.0.1", localPort);
    const all = await Promise.all([
      unix.accept(),
      network.connect({ host: folder, port: 1 }, CLOCK, 5000),
      tcp.accept(),
      network.connect({ host: "localhost", port: localPort }, CLOCK, 5000),
    ]);
    const uid = network instanceof EpollNetwork ? { uid: Deno.uid() } : {};
    assert.deepEqual(all[0].peer, { host: "unix", port: 0, ...uid });
    const { port, ...peer } = all[2].peer;
    assert.deepEqual(peer, { host: "127.0.0.1", localHost: "127.0.0.1", localPort });
    assert.ok(port > 0);
    await writeAll(all[1], Uint8Array.of(9));
    assert.deepEqual([...await readAll(all[0].stream, 1)], [9]);
    for (const end of [all[0].stream, all[1], all[2].stream, all[3]]) end.close();
    unix.close();
    tcp.close();
    await Deno.remove(folder, { recursive: true });
  });

  Deno.test(`${name} says why it cannot listen or connect`, async () => {
    await using opened = open();
    const { network } = opened;
    const taken = freePort();
    const tcp = await network.listenTcp("127.0.0.1", taken);
    const accepting = tcp.accept().catch((error) => error);
    await assert.rejects(async () => await network.listenTcp("127.0.0.1", taken), /in use/i);
    await assert.rejects(async () => await network.listenTcp("192.0.2.1", taken), /assign|not available/i);
    tcp.close();
    tcp.close();
    assert.ok(await accepting instanceof Deno.errors.BadResource);
    const refused = network.connect({ host: "127.0.0.1", port: taken }, CLOCK, 5000);
    await assert.rejects(
      refused,
      (error) => /refused/i.test((error as { extra: { log: string } }).extra.log),
    );
    using nobody = await silentPort();
    const silent = network.connect({ host: "127.0.0.1", port: nobody.port }, CLOCK, 50);
    await assert.rejects(
      silent,
      (error) => /no answer within 50 ms/.test((error as { extra: { log: string } }).extra.log),
    );
  });
}

Deno.test("EpollNetwork lets timers, immediates and the runtime's sockets have their turn while it is busy", async () => {
  const network = EpollNetwork.open(CLOCK)!;
  const [near, far] = await pair(network);
  let rounds = 0;
  let stop = false;
  const echo = (async () => {
    while (!stop && await near.read(new Uint8Array(8)) > 0) await writeAll(near, Uint8Array.of(1));
  })();
  const ask = (async () => {
    for (; !stop; rounds++) {
      await writeAll(far, Uint8Array.of(1));
      await far.read(new Uint8Array(8));
    }
  })();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  for (let i = 0; i < 20; i++) {
    const before = rounds;
    await new Promise((resolve) => setTimeout(resolve, 2));
    await new Promise((resolve) => setImmediate(resolve));
    const [ours, theirs] = await Promise.all([
      listener.accept(),
      Deno.connect({ hostname: "127.0.0.1", port }),
    ]);
    await ours.write(Uint8Array.of(1));
    assert.equal(await theirs.read(new Uint8Array(1)), 1);
    ours.close();
    theirs.close();
    assert.ok(rounds > before, "the echo went on meanwhile");
  }
  stop = true;
  await ask;
  far.close();
  await echo;
  near.close();
  await network.close();
});

Deno.test("EpollNetwork has :: take IPv4 as well, or leave it to a socket beside it, whichever is first", async () => {
  const [, open] = KINDS[0]!;
  await using opened = open();
  const { network } = opened;
  const port = freePort();
  const cameBy = async (host: string, acceptor: { accept: Acceptor["accept"] }) => {
    const [accepted, connected] = await Promise.all([
      acceptor.accept(),
      network.connect({ host, port }, CLOCK, 5000),
    ]);
    accepted.stream.close();
    connected.close();
    return accepted.peer.localHost;
  };
  for (const hosts of [["0.0.0.0", "::"], ["::", "0.0.0.0"], ["127.0.0.1", "::"]]) {
    const acceptors = new Map<string, Acceptor>();
    for (const host of hosts) acceptors.set(host, await network.listenTcp(host, port, { ipv6Only: true }));
    const [ipv4, ipv6] = [acceptors.get(hosts.find((host) => host !== "::")!)!, acceptors.get("::")!];
    assert.deepEqual([await cameBy("127.0.0.1", ipv4), await cameBy("::1", ipv6)], ["127.0.0.1", "::1"]);
    for (const acceptor of acceptors.values()) acceptor.close();
  }
  const both = await network.listenTcp("::", port);
  assert.deepEqual([await cameBy("127.0.0.1", both), await cameBy("::1", both)], ["::ffff:127.0.0.1", "::1"]);
  both.close();
});

Deno.test("EpollNetwork shares an address, and says which of its sockets gets new connections", async () => {
  const [name, open] = KINDS[0]!;
  assert.equal(name, "EpollNetwork");
  await using opened = open();
  const { network } = opened;
  const port = freePort();
  const acceptors = [
    await network.listenTcp("127.0.0.1", port, { shared: true }),
    await network.listenTcp("127.0.0.1", port, { shared: true }),
  ] as const;
  const came = [0, 0];
  const accepting = acceptors.map(async (acceptor, which) => {
    try {
      for (;;) {
        (await acceptor.accept()).stream.close();
        came[which]!++;
      }
    } catch (error) {
      assert.ok(error instanceof Deno.errors.BadResource, String(error));
    }
  });
  /** How many of some connections come to each, by the time that their ends are read. */
  const shares = async () => {
    came.fill(0);
    for (let i = 0; i < 20; i++) {
      const stream = await network.connect({ host: "127.0.0.1", port }, CLOCK, 5000);
      await stream.read(new Uint8Array(1));
      stream.close();
    }
    return [...came];
  };
  // Either socket may say it, for itself or the other one.
  assert.equal(acceptors[0].prefer(0), true);
  assert.deepEqual(await shares(), [20, 0]);
  assert.equal(acceptors[0].prefer(1), true);
  assert.deepEqual(await shares(), [0, 20]);
  // The first one goes: there is no second one any more, so the one that is left has all.
  acceptors[0].close();
  assert.equal(acceptors[0].prefer(0), false);
  assert.deepEqual(await shares(), [0, 20]);
  acceptors[1].close();
  await Promise.all(accepting);
});

Deno.test("a shared unix socket takes the place of another one, which goes on and leaves it alone at its end", async () => {
  for (const [, open] of KINDS) {
    await using opened = open();
    const { network } = opened;
    const folder = await Deno.makeTempDir();
    const path = `${folder}/.s.PGSQL.1`;
    const connect = () => network.connect({ host: folder, port: 1 }, CLOCK, 5000);
    const old = network.listenUnix(path, true);
    const [first, served] = await Promise.all([connect(), old.accept()]);
    const next = network.listenUnix(path, true);
    const [second, other] = await Promise.all([connect(), next.accept()]);
    old.close();
    const [third, last] = await Promise.all([connect(), next.accept()]);
    for (const { stream } of [served, other, last]) stream.close();
    for (const stream of [first, second, third]) stream.close();
    next.close();
    await Deno.remove(folder, { recursive: true });
  }
});
