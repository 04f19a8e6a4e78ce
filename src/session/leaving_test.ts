import { deepStrictEqual as deepEqual, equal } from "node:assert/strict";
import { PgplexError } from "../kernel/mod.ts";
import { Leaving, whyGone } from "./leaving.ts";

const OVER = new PgplexError("shutting_down", "over");
const GONE = new PgplexError("config_changed", "gone");

class FakeHost {
  idle = false;
  endable = false;
  gone: PgplexError | null = null;
  readonly ends: PgplexError[] = [];

  get ending(): boolean {
    return this.ends.length > 0;
  }

  end(error: PgplexError): void {
    this.ends.push(error);
  }
}

Deno.test("Leaving ends a session at once where that does no harm", () => {
  const host = new FakeHost();
  host.endable = true;
  new Leaving(host).begin(OVER);
  deepEqual(host.ends, [OVER]);
});

Deno.test("Leaving ends a busy session behind a transaction, when whoever tells of it is done", async () => {
  const host = new FakeHost();
  const leaving = new Leaving(host);
  leaving.begin(OVER);
  host.endable = true;
  leaving.rested();
  deepEqual(host.ends, []);
  await Promise.resolve();
  deepEqual(host.ends, [OVER]);
});

Deno.test("Leaving waits for the next boundary where the client has sent more", async () => {
  const host = new FakeHost();
  const leaving = new Leaving(host);
  leaving.begin(OVER);
  leaving.rested();
  await Promise.resolve();
  deepEqual(host.ends, []);
  host.endable = true;
  leaving.rested();
  await Promise.resolve();
  deepEqual(host.ends, [OVER]);
});

Deno.test("Leaving ends a session that has nowhere to go, unless it has again by then", async () => {
  const host = new FakeHost();
  const leaving = new Leaving(host);
  equal(leaving.lookIfGone(), false);
  host.gone = GONE;
  equal(leaving.lookIfGone(), false);
  [host.idle, host.gone] = [true, null];
  leaving.rested();
  await Promise.resolve();
  deepEqual(host.ends, []);
  host.gone = GONE;
  equal(leaving.lookIfGone(), true);
  deepEqual(host.ends, [GONE]);
});

Deno.test("Leaving lets a session be that nobody sends away", async () => {
  const host = new FakeHost();
  [host.idle, host.endable] = [true, true];
  new Leaving(host).rested();
  await Promise.resolve();
  deepEqual(host.ends, []);
});

Deno.test("whyGone is about the destination, the node of a connection that is kept, and one that is replaced where that ends sessions", () => {
  const home = (closed: PgplexError | null) => ({ pool: { closed } }) as never;
  const session = {
    destination: { closed: null },
    keepsServer: true,
    poolSettings: { server_fast_close: true },
  };
  const lease = { probing: false, unread: false, home: home(null), replaced: false };
  const why = (of: Partial<typeof session>, at: Partial<typeof lease>) =>
    whyGone({ ...session, ...of }, { ...lease, ...at })?.message ?? null;
  equal(why({}, {}), null);
  equal(whyGone({ ...session, destination: { closed: GONE } }, { ...lease, home: null }), GONE);
  equal(why({}, { home: home(GONE) }), "gone");
  equal(why({}, { home: home(GONE), unread: true }), null);
  equal(why({}, { home: home(GONE), probing: true }), null);
  equal(why({}, { replaced: true }), "terminating connection: its server connection is replaced");
  equal(why({ keepsServer: false }, { replaced: true }), null);
  equal(why({ poolSettings: { server_fast_close: false } }, { replaced: true }), null);
});
