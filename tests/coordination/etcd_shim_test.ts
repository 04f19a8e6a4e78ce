import assert from "node:assert/strict";
import { Shim } from "../../src/coordination/etcd/shim.ts";
import { waitFor } from "../harness/mod.ts";
import { clock } from "./store_rig.ts";

function frame(type: number, body: number[] = []): number[] {
  return [0, 0, body.length, type, 0, 0, 0, 0, 0, ...body];
}

/** A server of one connection, and a client that reaches it through a shim. */
async function linked() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const shim = await Shim.open([{ host: "127.0.0.1", port: listener.addr.port, tls: null }], clock);
  const path = shim.addressOf(0).replace(/^unix:/, "");
  const [server, client] = await Promise.all([
    listener.accept(),
    Deno.connect({ transport: "unix", path }),
  ]);
  return {
    shim,
    path,
    server,
    client,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      for (const conn of [server, client]) {
        try {
          conn.close();
        } catch {
          // The test has closed it.
        }
      }
      await shim.close();
    },
  };
}

async function readAll(conn: Deno.Conn): Promise<number[]> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(1024);
  for (let count; (count = await conn.read(buffer)) !== null;) bytes.push(...buffer.subarray(0, count));
  return bytes;
}

Deno.test("of a GOAWAY the library sees a connection that ends, and the member too", async () => {
  await using link = await linked();
  const before = [...frame(4), ...frame(0, frame(7, [1, 2, 3]))];
  await link.server.write(Uint8Array.from([...before, ...frame(7, [0, 0, 0, 1, 0, 0, 0, 0]), ...frame(0)]));
  assert.deepEqual(await readAll(link.client), [...before, 0, 0, 8]);
  assert.deepEqual(await readAll(link.server), []);
});

Deno.test("bytes pass both ways as they are", async () => {
  await using link = await linked();
  await link.client.write(Uint8Array.from(frame(7)));
  const buffer = new Uint8Array(64);
  assert.deepEqual([...buffer.subarray(0, (await link.server.read(buffer))!)], frame(7));
  await link.server.write(Uint8Array.from(frame(4)));
  link.server.close();
  assert.deepEqual(await readAll(link.client), frame(4));
});

Deno.test("its folder is its user's alone, and goes with it", async () => {
  await using link = await linked();
  const folder = link.path.replace(/\/[^/]+$/, "");
  const { mode, uid } = await Deno.stat(folder);
  assert.deepEqual([mode! & 0o777, uid], [0o700, Deno.uid()]);
  await link.shim.close();
  await assert.rejects(Deno.stat(folder), Deno.errors.NotFound);
});

Deno.test("what the library does not read is not read from the member either", async () => {
  await using link = await linked();
  // A frame of 16 MB, of which nobody reads more than what the kernel keeps.
  const chunk = new Uint8Array(64 * 1024);
  chunk.set([255, 255, 255, 0]);
  let written = 0;
  let changedMs = performance.now();
  const writing = (async () => {
    while (written < 15_000_000) {
      written += await link.server.write(chunk);
      changedMs = performance.now();
    }
  })().catch(() => {});
  await waitFor(() => performance.now() - changedMs > 500, { what: "the member to wait" });
  assert.ok(written < 12_000_000, `${written} bytes were taken`);
  link.server.close();
  link.client.close();
  await writing;
});

Deno.test("a member that accepts connections and says nothing is given up, and the reason is known", async () => {
  await using link = await linked();
  assert.deepEqual(await readAll(link.client), []);
  assert.match(link.shim.problemOf(0)!, /accepts connections and does not answer/);
});

Deno.test("a shim removes what killed processes have left, and nothing else", async () => {
  const dir = await Deno.makeTempDir();
  const open = () => Shim.open([{ host: "127.0.0.1", port: 1, tls: null }], clock, dir);
  const folderOf = (shim: Shim) => shim.addressOf(0).replace(/^unix:/, "").replace(/\/0$/, "");
  const long = new Date(Date.now() - 3_600_000);
  const living = await open();
  const source = `
    import { Shim } from "${new URL("../../src/coordination/etcd/shim.ts", import.meta.url)}";
    import { clock } from "${new URL("./store_rig.ts", import.meta.url)}";
    const shim = await Shim.open([{ host: "127.0.0.1", port: 1, tls: null }], clock, ${JSON.stringify(dir)});
    console.log(shim.addressOf(0));
    setInterval(() => {}, 1000);`;
  await Deno.writeTextFile(`${dir}/killed.ts`, source);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const killed = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--config", config, `${dir}/killed.ts`],
    stdout: "piped",
  }).spawn();
  const reader = killed.stdout.getReader();
  const said = new TextDecoder().decode((await reader.read()).value);
  const left = said.trim().replace(/^unix:/, "").replace(/\/0$/, "");
  killed.kill("SIGKILL");
  await reader.cancel();
  await killed.status;
  assert.ok((await Deno.lstat(`${left}/0`)).isSocket, "the killed one has left its socket");
  const young = `${dir}/pgplex-etcd-young`;
  const lockless = `${dir}/pgplex-etcd-lockless`;
  // Another user's, where the test may make such a one.
  const another = Deno.uid() === 0 ? [`${dir}/pgplex-etcd-another`] : [];
  const precious = `${dir}/precious`;
  const link = `${dir}/pgplex-etcd-link`;
  for (const path of [young, lockless, precious, ...another]) await Deno.mkdir(path);
  for (const path of [young, precious, ...another]) await Deno.writeTextFile(`${path}/in-use`, "");
  await Deno.symlink(precious, link);
  for (const path of another) await Deno.chown(path, 65534, 65534);
  for (const path of [left, lockless, precious, ...another, folderOf(living)]) {
    await Deno.utime(path, long, long);
  }
  const last = await open();
  // It ends behind its sweep.
  await last.close();
  const isThere = (path: string) => Deno.lstat(path).then(() => true, () => false);
  assert.ok(!await isThere(left), "what was left is removed");
  for (const path of [`${folderOf(living)}/0`, young, lockless, ...another, link, `${precious}/in-use`]) {
    assert.ok(await isThere(path), path);
  }
  await living.close();
  assert.ok(!await isThere(folderOf(living)) && !await isThere(folderOf(last)));
  await Deno.remove(dir, { recursive: true });
});
