import assert from "node:assert/strict";
import { type ByteStream, ConnStream, socketStream } from "../../src/transport/mod.ts";

/** Both ends of a connection. */
async function pair(): Promise<[Deno.Conn, Deno.Conn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  return await Promise.all([listener.accept(), Deno.connect({ hostname: "127.0.0.1", port })]);
}

Deno.test("socketStream reads and writes below Deno.Conn on the release that pgplex is built with", async () => {
  const [near, far] = await pair();
  const stream = socketStream(near);
  assert.ok(!(stream instanceof ConnStream), `Deno ${Deno.version.deno} does not offer what is used`);
  stream.close();
  far.close();
});

const KINDS: [string, (conn: Deno.Conn) => ByteStream][] = [
  ["socketStream", socketStream],
  ["ConnStream", (conn) => new ConnStream(conn)],
];

for (const [name, make] of KINDS) {
  Deno.test(`${name} moves bytes both ways and reads 0 at the end`, async () => {
    const [near, far] = await pair();
    const stream = make(near);
    await far.write(Uint8Array.of(1, 2, 3));
    const into = new Uint8Array(2);
    assert.equal(await stream.read(into), 2);
    assert.equal(await stream.read(into.subarray(1)), 1);
    assert.deepEqual([...into], [1, 3]);
    assert.equal(await stream.write(Uint8Array.of(4)), 1);
    assert.equal(await far.read(into), 1);
    far.close();
    assert.equal(await stream.read(into), 0);
    stream.close();
    stream.close();
  });

  Deno.test(`${name} that is closed rejects the read under way, and every other`, async () => {
    const [near, far] = await pair();
    const stream = make(near);
    const reading = stream.read(new Uint8Array(1)).catch((error) => error);
    stream.close();
    const error = await reading;
    assert.ok(
      error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted,
      String(error),
    );
    await assert.rejects(stream.read(new Uint8Array(1)), Deno.errors.BadResource);
    await assert.rejects(stream.write(new Uint8Array(1)), Deno.errors.BadResource);
    far.close();
  });

  Deno.test(`${name} rejects with the reset of its peer`, async () => {
    const [near, far] = await pair();
    const stream = make(near);
    // What was not read makes the close a reset.
    await stream.write(new Uint8Array(10));
    await far.read(new Uint8Array(1));
    far.close();
    await assert.rejects(async () => {
      for (;;) if (await stream.read(new Uint8Array(1)) === 0) await stream.write(new Uint8Array(1));
    }, (error) => error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe);
    stream.close();
  });
}
