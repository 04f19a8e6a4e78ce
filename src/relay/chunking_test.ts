import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import * as frontend from "../../tests/harness/frontend.ts";
import { ModelServer } from "../../tests/harness/model_server.ts";
import { StatementStore } from "../backend/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import { clientMessageMax } from "../protocol/mod.ts";
import { Rig, type RigOptions, RigServer } from "../../tests/harness/rig.ts";
import { type Script, scripts, steeredScripts } from "../../tests/harness/script.ts";

type Relaying = Pick<RigOptions, "renames" | "directives">;

/** What one side said before the other spoke again. */
interface Segment {
  readonly from: "client" | "server";
  readonly bytes: Uint8Array;
}

/** All that can be seen of a session after a segment. */
interface Seen {
  readonly toServer: string;
  readonly toClient: string;
  readonly owed: readonly unknown[];
  readonly leases: number;
  readonly held: boolean;
}

const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);

/** The conversation of this script with a server, through the relay, each segment in one piece. */
async function record(script: Script, options: Relaying): Promise<Segment[]> {
  const model = new ModelServer({ pooled: options.renames });
  const segments: Segment[] = [];
  const [rig, server] = rigOf({ ...options, large: 1 << 20, small: 1 << 20 });
  for (const { bytes } of script) {
    segments.push({ from: "client", bytes });
    ok((await rig.say(bytes)).length === 0, "all of a turn fits the buffer");
    for (;;) {
      const answer = model.receive(server.stream.taken());
      if (answer.length === 0) break;
      segments.push({ from: "server", bytes: answer });
      await server.say(answer);
    }
  }
  return segments;
}

function rigOf(options: Relaying & { small?: number; large?: number }): [Rig, RigServer] {
  const statements = new StatementStore();
  const server = new RigServer({ statements, small: options.small ?? 512 });
  const acquire = () => server.holder === null ? server : null;
  return [new Rig({ ...options, statements, acquire }), server];
}

/** Cuts `bytes` into pieces of the sizes that come next. */
function* cut(bytes: Uint8Array, sizes: Iterator<number>): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const size = sizes.next().value as number;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Says the segments again in pieces; what is seen after each segment. */
async function replay(
  segments: readonly Segment[],
  options: Relaying & { small: number; large: number },
  sizes: Iterator<number>,
): Promise<Seen[]> {
  const [rig, server] = rigOf(options);
  const seen: Seen[] = [];
  // What the session cannot take yet stays in the client's socket.
  let unread: Uint8Array = new Uint8Array(0);
  for (const { from, bytes } of segments) {
    if (from === "server") {
      // Where a client waits for replies, what it says next depends on which have come: for all of the segment here.
      rig.holdsClient = true;
      for (const piece of cut(bytes, sizes)) await server.say(piece);
      rig.holdsClient = false;
      await rig.settled();
      unread = await rig.say(unread);
    } else {
      for (const piece of cut(bytes, sizes)) unread = await rig.say(frontend.concat([unread, piece]));
    }
    const { owed } = server.connection;
    const { progress } = rig.relay;
    seen.push({
      toServer: text(server.stream.taken()),
      toClient: text(rig.out.taken()),
      owed: [owed.length, owed.peek(), owed.skipping, owed.copyIn, progress.openBatch, progress.midMessage],
      leases: rig.leases,
      held: rig.server !== null,
    });
  }
  return seen;
}

const sizes = fc.oneof(
  fc.constant(1),
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 1, max: 2000 }),
  fc.constantFrom(5, 511, 512, 513),
);

for (const renames of [true, false]) {
  for (const directives of ["off", "warn", "strict"] as const) {
    const what = directives === "off" ? "" : ` and directives: ${directives}`;
    const mode = renames ? "transaction" : "session";
    Deno.test(
      `any chunking of a conversation gives the same bytes, owed replies and boundaries, in ${mode} pooling${what}`,
      async () => {
        await fc.assert(
          fc.asyncProperty(
            directives === "off" ? scripts : steeredScripts,
            fc.infiniteStream(sizes),
            fc.constantFrom(512, 700, 16_384),
            async (script, sizes, large) => {
              const relaying = { renames, directives };
              const segments = await record(script, relaying);
              const expected = await replay(
                segments,
                { ...relaying, small: 1 << 20, large: 1 << 20 },
                endless(1 << 20),
              );
              const actual = await replay(segments, { ...relaying, small: 512, large }, sizes);
              deepEqual(actual, expected);
            },
          ),
          { numRuns: 150 },
        );
      },
    );
  }
}

function* endless(value: number): Generator<number, never> {
  for (;;) yield value;
}

Deno.test("garbage behind a good conversation ends it with a PgplexError, and what was refused goes nowhere", async () => {
  const garbage = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 60 }),
    // Good types with bad lengths.
    fc.tuple(fc.constantFrom(..."QPBDCESHFXdcf"), fc.integer()).map(([type, length]) =>
      frontend.concat([frontend.text(type), frontend.int32(length), new Uint8Array(20)])
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      scripts,
      garbage,
      fc.infiniteStream(sizes),
      fc.boolean(),
      async (script, bytes, sizes, renames) => {
        const [rig, server] = rigOf({ renames });
        const model = new ModelServer({ pooled: renames });
        for (const turn of script) {
          let rest = turn.bytes;
          do {
            rest = await rig.say(rest);
            await server.say(model.receive(server.stream.taken()));
          } while (rest.length > 0 || server.stream.written.length > 0);
        }
        server.stream.taken();
        try {
          for (const piece of cut(bytes, sizes)) await rig.say(piece);
        } catch (error) {
          ok(error instanceof PgplexError && error.code === "protocol_violation", String(error));
        }
        await server.connection.out.flush();
        wellFormed(server.stream.taken());
      },
    ),
    { numRuns: 500 },
  );
});

/** Every header that reached the server is one that PostgreSQL would take. */
function wellFormed(bytes: Uint8Array): void {
  for (let at = 0; bytes.length - at >= 5;) {
    const length = new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1);
    ok("QPBDCESHFXdcf".includes(String.fromCharCode(bytes[at]!)), `type ${bytes[at]}`);
    ok(length >= 4 && length <= clientMessageMax(bytes[at]!), `length ${length}`);
    at += 1 + length;
  }
}

Deno.test("garbage from a server ends its connection with a PgplexError, whatever was owed", async () => {
  const good = fc.constantFrom(
    frontend.query("x"),
    frontend.concat([
      frontend.parse("x", { name: "s" }),
      frontend.bind({ statement: "s" }),
      frontend.execute(),
      frontend.sync(),
    ]),
    frontend.concat([frontend.parse("x"), frontend.close("S", "s"), frontend.flush()]),
  );
  const types = "123TnsIGHWVcADdtNZSECRKvQ\0";
  const messages = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc.tuple(fc.constantFrom(...types), fc.uint8Array({ maxLength: 12 })).map(([type, body]) =>
        frontend.message(type, body)
      ),
    ),
    { maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(
      good,
      messages,
      fc.infiniteStream(sizes),
      fc.boolean(),
      async (client, messages, sizes, renames) => {
        const [rig, server] = rigOf({ renames });
        await rig.say(client);
        try {
          // A lease that ends leaves the rest to the idle connection, which is another file's matter.
          for (const piece of cut(frontend.concat(messages), sizes)) {
            if (server.holder !== null) {
              await server.say(piece);
            }
          }
        } catch (error) {
          const spoken = error instanceof Error && error.message.startsWith("the server speaks to nobody");
          ok(spoken || (error instanceof PgplexError && error.code === "server_protocol"), String(error));
        }
      },
    ),
    { numRuns: 1000 },
  );
});
