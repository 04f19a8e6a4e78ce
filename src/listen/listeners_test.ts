import { deepStrictEqual as deepEqual, notStrictEqual, strictEqual as equal } from "node:assert/strict";
import { KeyCache } from "../auth/mod.ts";
import { type Runtime, StatementStore } from "../backend/mod.ts";
import type { Config } from "../config/mod.ts";
import { PgplexError, SeededRandom, VirtualClock } from "../kernel/mod.ts";
import { NO_LOG } from "../telemetry/mod.ts";
import { BufferPool, RuntimeNetwork } from "../transport/mod.ts";
import type { ListenerMember } from "./listener_members.ts";
import { Listeners } from "./listeners.ts";
import { type Destination, PoolControl, type ServerPools } from "../servers/mod.ts";
import { Subscription } from "./subscription.ts";

const NODE = { name: "main-1", host: "127.0.0.1", port: 5432 };

function destinationOf(cluster: string, alias: string | null = null): Destination {
  const key = { cluster, database: "app", user: "app", alias, purpose: "clients" };
  const settings = { server_idle_timeout: 1000, server_login_retry: 1000, server_connect_timeout: 1000 };
  return { key, settings, routed: { kind: "node", node: NODE } } as unknown as Destination;
}

function rig() {
  const clock = new VirtualClock();
  const parts: Runtime = {
    clock,
    random: new SeededRandom(1),
    network: new RuntimeNetwork(),
    keyCache: new KeyCache(),
    buffers: new BufferPool(),
    statements: new StatementStore(),
    turn: () => Promise.resolve(),
    nextId: () => 1,
  };
  const config = (...clusters: string[]) =>
    ({
      clusters: new Map(clusters.map((name) => [name, { nodes: [NODE], tls: null }])),
    }) as unknown as Config;
  // No connection may be opened: what a pool of a full database says.
  const control = new PoolControl();
  const nameOf = ({ key }: Destination) => `${key.database}@${key.cluster}`;
  const pools = { reserve: () => null, control, nameOf } as unknown as ServerPools;
  return { clock, config, control, listeners: new Listeners(config("main", "other"), parts, pools, NO_LOG) };
}

function member(): ListenerMember & { gone: PgplexError | null } {
  const subscription = new Subscription();
  return {
    subscription,
    gone: null,
    notified() {},
    sharedCut() {},
    deliver() {},
    lost() {},
    warn() {},
    listenerUp() {},
    listenerGone(error) {
      this.gone = error;
    },
  };
}

Deno.test("Listeners: one for each cluster, database, user and encoding, whatever the alias", () => {
  const { listeners } = rig();
  const first = listeners.get(destinationOf("main"), "UTF8");
  equal(listeners.get(destinationOf("main", "alias"), "UTF8"), first);
  equal(first.destination.key.alias, "alias", "the latest destination's settings hold");
  notStrictEqual(listeners.get(destinationOf("main"), "LATIN1"), first);
  notStrictEqual(listeners.get(destinationOf("other"), "UTF8").marker, first.marker);
  deepEqual(
    [...listeners.all()].map(({ cluster, encoding, state, pid }) => [cluster, encoding, state, pid]),
    [
      ["main", "UTF8", "down", null],
      ["main", "LATIN1", "down", null],
      ["other", "UTF8", "down", null],
    ],
  );
});

Deno.test("Listeners: what cannot be opened is not there, and is tried again while somebody wishes it", async () => {
  const { clock, listeners } = rig();
  const listener = listeners.get(destinationOf("main"), "UTF8");
  equal(await listener.ready(), false);
  equal(await listener.listen(member(), new Set(["a"])), false);
  const wisher = member();
  listener.wish(wisher);
  listeners.tick(clock.nowMs());
  equal([...listeners.all()].length, 1);
  equal(clock.pending, 1, "the next attempt");
  listener.leave(wisher);
  listeners.tick(clock.nowMs());
  deepEqual([[...listeners.all()].length, clock.pending], [0, 0]);
});

Deno.test("Listeners: while a database is paused, its listener stays for who needs it, and no longer", async () => {
  const { clock, control, listeners } = rig();
  const who = member();
  for (const cluster of ["main", "other"]) {
    const listener = listeners.get(destinationOf(cluster), "UTF8");
    await listener.ready();
    listener.wish(who);
  }
  control.setPaused("app@main", true);
  listeners.closeUnused(() => true);
  listeners.tick(clock.nowMs());
  equal([...listeners.all()].length, 2);
  for (const cluster of ["main", "other"]) listeners.get(destinationOf(cluster), "UTF8").leave(who);
  listeners.closeUnused(({ key }) => key.cluster === "main");
  deepEqual([...listeners.all()].map(({ cluster }) => cluster), ["other"]);
  equal(who.gone, null);
});

Deno.test("Listeners: a reload without their cluster, or the end of pgplex, ends those who listen", async () => {
  const { clock, config, listeners } = rig();
  const [stays, goes] = [member(), member()];
  for (const [cluster, who] of [["main", stays], ["other", goes]] as const) {
    const listener = listeners.get(destinationOf(cluster), "UTF8");
    await listener.ready();
    listener.wish(who);
  }
  listeners.configure(config("main"));
  deepEqual([stays.gone, goes.gone?.code], [null, "config_changed"]);
  listeners.close(new PgplexError("shutting_down", "the end"));
  deepEqual([stays.gone!.code, clock.pending], ["shutting_down", 0]);
});
