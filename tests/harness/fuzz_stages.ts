import * as net from "node:net";
import * as tls from "node:tls";
import { frontend, WireClient, type WireLogin } from "./mod.ts";
import { ScramClient } from "./wire_auth.ts";
import type { Seeded } from "./seeded.ts";

const { bind, concat, copyData, copyDone, execute, int32, parse, query, startup, sync, text } = frontend;

/** Who the fuzzer says it is. */
export const FUZZER = { user: "fuzz", password: "fuzz" } as const;

/** A point in a connection's life at which wrong bytes come. */
export interface Stage {
  readonly name: string;
  /** Brings a connection that was just opened there. */
  reach(client: WireClient, random: Seeded): Promise<void>;
  /** What a client might send next, for truncation and mutation. */
  valid(random: Seeded): Uint8Array;
  /** What pgplex must answer by closing the connection, without waiting for the client to close it. */
  oversized(random: Seeded): Uint8Array;
  /** What pgplex sends from here on is no PostgreSQL message. */
  readonly cipher?: true;
}

const tooLong = (random: Seeded) => random.pick([0x3fffffff, 0x7fffffff, -1, -0x80000000, 0, 3]);

/** A message whose length word is impossible. */
function oversizedMessage(random: Seeded): Uint8Array {
  return concat([
    text(random.pick([..."QPBEDCHSFXdcf"])),
    int32(tooLong(random)),
    random.bytes(random.below(5000)),
  ]);
}

/** Sends `ahead` (nothing unless said) as somebody who is logged in; the answers are not read. */
function loggedIn(name: string, databases: readonly string[], then: {
  ahead?: (client: WireClient, random: Seeded) => Promise<void>;
  valid: (random: Seeded) => Uint8Array;
  oversized?: (random: Seeded) => Uint8Array;
}): Stage {
  return {
    name,
    async reach(client, random) {
      const login: WireLogin = { ...FUZZER, database: random.pick(databases) };
      await client.login(login);
      await then.ahead?.(client, random);
    },
    valid: then.valid,
    oversized: then.oversized ?? oversizedMessage,
  };
}

const both = ["transaction", "session"];
const anything = (random: Seeded) =>
  random.pick([
    query("SELECT 1"),
    concat([
      parse("SELECT $1::text", { name: "s" }),
      bind({ statement: "s", values: ["x"] }),
      execute(),
      sync(),
    ]),
    concat([query("BEGIN"), query("SELECT generate_series(1, 100)"), query("COMMIT")]),
    frontend.functionCall(1598),
    frontend.terminate(),
  ]);

/** The stages, for a pgplex whose clients find pools `transaction`, `session` and, always leased, `narrow`. */
export async function fuzzStages(): Promise<{ stages: Stage[]; waiting: Stage }> {
  const hello = await clientHello();
  const packet = startup({ ...FUZZER, database: "transaction", DateStyle: "ISO" });
  const stages: Stage[] = [
    {
      name: "before the startup packet",
      reach: async () => {},
      valid: () => packet,
      oversized: (random) =>
        concat([
          int32(random.pick([10_005, 65_536, 0x7fffffff, -1, 0, 7])),
          random.bytes(random.below(3000)),
        ]),
    },
    {
      name: "inside the startup packet",
      reach: async (client, random) =>
        await client.send(packet.slice(0, random.between(4, packet.length - 1))),
      valid: () => text("r\0x\0\0"),
      oversized: (random) => concat([new Uint8Array(packet.length).fill(65), random.bytes(50_000)]),
    },
    {
      name: "during TLS negotiation",
      cipher: true,
      async reach(client, random) {
        if (random.chance(0.3)) return; // direct TLS
        await client.send(frontend.sslRequest());
        const answer = await client.readByte();
        if (answer !== "S") throw new Error(`pgplex answered SSLRequest by ${answer}`);
      },
      valid: () => hello,
      oversized: (random) => concat([Uint8Array.of(0x16, 3, 1, 0xff, 0xff), random.bytes(70_000)]),
    },
    {
      name: "during SCRAM",
      async reach(client, random) {
        await client.send(startup({ user: random.pick([FUZZER.user, "nobody"]), database: "transaction" }));
        await client.readUntil("R");
        if (random.chance(0.5)) return;
        const first = new ScramClient(FUZZER.password).first();
        await client.send(frontend.saslInitialResponse("SCRAM-SHA-256", first));
        await client.readUntil("R");
      },
      valid: () => frontend.saslInitialResponse("SCRAM-SHA-256", new ScramClient("fuzz").first()),
      oversized: (random) =>
        concat([
          text("p"),
          int32(random.pick([65_536, 0x7fffffff, -1, 3])),
          random.bytes(random.below(3000)),
        ]),
    },
    loggedIn("idle after login", both, { valid: anything }),
    loggedIn("inside a message", both, {
      ahead: async (client, random) => {
        await client.send(text("Q"), int32(4 + 30_000), random.bytes(random.below(20_000)));
      },
      valid: (random) => random.bytes(30_000),
      oversized: (random) => concat([new Uint8Array(30_000), oversizedMessage(random)]),
    }),
    loggedIn("inside a pipeline", both, {
      ahead: async (client, random) => {
        const one = [parse("SELECT generate_series(1, 50)"), bind(), execute()];
        const parts = [...one, sync(), ...one, ...(random.chance(0.5) ? [sync(), ...one] : [])];
        await client.send(...parts);
      },
      valid: (random) => concat([anything(random), execute(), sync()]),
    }),
    loggedIn("during COPY IN", both, {
      ahead: async (client) => {
        await client.send(query("COPY fuzz FROM STDIN"));
        await client.readUntil("G");
      },
      valid: () => concat([copyData("1\n2\n"), copyData("3\n"), copyDone()]),
    }),
    loggedIn("inside a transaction", both, {
      ahead: async (client) => {
        await client.send(query("BEGIN; INSERT INTO fuzz VALUES (7)"));
        await client.readUntil("Z");
      },
      valid: anything,
    }),
  ];
  const waiting = loggedIn("while waiting for a lease", ["narrow"], {
    ahead: async (client) => await client.send(query("SELECT 1")),
    valid: anything,
  });
  return { stages, waiting };
}

/** The first bytes of a real TLS handshake. */
async function clientHello(): Promise<Uint8Array> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = (server.address() as net.AddressInfo).port;
  const bytes = await new Promise<Uint8Array>((resolve, reject) => {
    const client = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
    client.on("error", () => {}); // it is cut below
    server.once("connection", (socket) => {
      socket.once("error", reject);
      socket.once("data", (chunk: Uint8Array) => {
        resolve(Uint8Array.from(chunk));
        socket.destroy();
        client.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return bytes;
}

/** `bytes` with some of them changed, left out or doubled. */
export function mutated(bytes: Uint8Array, random: Seeded): Uint8Array {
  const changed = [...bytes];
  for (let i = random.between(1, 5); i > 0; i--) {
    const at = random.below(changed.length);
    const how = random.below(3);
    if (how === 0) changed[at] = random.below(256);
    else if (how === 1) changed.splice(at, random.between(1, 4));
    else changed.splice(at, 0, ...changed.slice(at, at + random.between(1, 9)));
  }
  return Uint8Array.from(changed);
}

/** Reads what still comes, as messages, until pgplex closes; nothing may follow a FATAL. */
export async function readToEnd(client: WireClient, stage: Stage): Promise<"FATAL" | "closed"> {
  if (stage.cipher) {
    while (await client.socket.readExactly(1, "the end of the connection") !== null);
    return "closed";
  }
  const messages = await client.closed();
  const fatal = messages.findIndex((message) => message.fields?.["S"] === "FATAL");
  if (fatal < 0) return "closed";
  const { C: sqlstate, M: said } = messages[fatal]!.fields!;
  if (!sqlstate || !said) throw new Error("a FATAL without a code or a text");
  if (fatal < messages.length - 1) throw new Error(`${messages.at(-1)!.name} came after FATAL ${said}`);
  return "FATAL";
}
