import { PgplexError } from "../kernel/mod.ts";
import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import { FakeWorld, type Resource } from "./pool_fake_test.ts";
import type { PoolLimits, Recall, Recallable } from "./pool_port.ts";

/** A holder that is asked for its resource, and what it says to that. */
class Holder implements Recallable {
  readonly name: string;
  readonly resource: Resource;
  says: Recall = "looking";
  readonly #asked: string[];

  constructor(name: string, resource: Resource, asked: string[]) {
    this.name = name;
    this.resource = resource;
    this.#asked = asked;
  }

  /** Called as it is asked. */
  whenAsked: () => void = () => {};

  recall(): Recall {
    this.#asked.push(this.name);
    this.whenAsked();
    return this.says;
  }
}

/** A pool whose resources are all leased, by these holders. `asked`: who was asked for its resource since it was last taken. */
function rig(names: string, limits: Partial<PoolLimits> = {}) {
  const world = new FakeWorld({ size: names.length, ...limits });
  const asked: string[] = [];
  const holders = [...names].map((name) => {
    world.wait(name);
    return new Holder(name, world.open(), asked);
  });
  const lend = (...lent: Holder[]) => {
    for (const holder of lent) world.pool.lends(holder.resource, holder);
  };
  return { world, holders, lend, asked: () => asked.splice(0).join("") };
}

Deno.test("Pool asks nobody for a resource while nobody waits, nor where nobody lends one", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  world.wait("early");
  equal(asked(), "");
  world.release(a!.resource);
  world.tick(10);
  lend(b!);
  world.tick(10);
  equal(asked(), "");
});

Deno.test("Pool has back what is lent, those that have been so the longest first, as many as are waited for", () => {
  const { world, holders: [a, b, c], lend, asked } = rig("abc");
  lend(b!, c!, a!);
  const first = world.wait("first");
  equal(asked(), "b");
  const second = world.wait("second");
  equal(asked(), "c");
  world.tick(10);
  equal(asked(), "", "each is asked for once");
  world.release(c!.resource);
  world.release(b!.resource);
  deepEqual([first.granted, second.granted], [c!.resource, b!.resource]);
  equal(asked(), "");
});

Deno.test("Pool does not have back what is being opened for whoever waits", () => {
  const { world, holders: [a], lend, asked } = rig("a", { size: 3 });
  lend(a!);
  world.wait("first");
  world.wait("second");
  deepEqual([world.opens.length, asked()], [2, ""]);
  world.wait("third");
  equal(asked(), "a");
  world.open();
  world.open();
  equal(asked(), "");
});

Deno.test("Pool has a resource back where what was opened failed, and where nothing more may be opened", () => {
  const { world, holders: [a], lend, asked } = rig("a", { size: 2 });
  lend(a!);
  world.wait("first");
  equal(asked(), "");
  world.fail();
  equal(asked(), "a");
});

Deno.test("Pool asks the next where one is needed by its holder, and asks that one again later", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  a!.says = b!.says = null;
  lend(a!, b!);
  world.wait("first");
  equal(asked(), "ab");
  a!.says = "looking";
  world.tick(10);
  equal(asked(), "a");
});

Deno.test("Pool.kept: what is not lent any more is asked for no more", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  lend(a!, b!);
  world.pool.kept(a!.resource);
  world.wait("first");
  equal(asked(), "b");
  world.wait("second");
  equal(asked(), "");
});

Deno.test("Pool.kept: one that was on its way back and stays has another asked for in its place", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  lend(a!, b!);
  const first = world.wait("first");
  equal(asked(), "a");
  world.pool.kept(a!.resource);
  equal(asked(), "b");
  world.pool.kept(b!.resource);
  equal(asked(), "", "nobody else lends one");
  lend(b!);
  world.tick(10);
  equal(asked(), "b");
  world.release(b!.resource);
  equal(first.granted, b!.resource);
});

Deno.test("Pool.kept from inside of a recall leaves that one on its way back", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  a!.whenAsked = () => world.pool.kept(a!.resource);
  lend(a!, b!);
  const first = world.wait("first");
  world.tick(10);
  equal(asked(), "a");
  world.release(a!.resource);
  equal(first.granted, a!.resource);
  equal(asked(), "");
});

Deno.test("Pool takes what is given back at once, and asks nobody else for it", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  a!.says = "given";
  a!.whenAsked = () => world.release(a!.resource);
  lend(a!, b!);
  const first = world.wait("first");
  deepEqual([first.granted, asked(), world.pool.waitingCount], [a!.resource, "a", 0]);
  world.pool.invariants();
  const second = world.wait("second");
  deepEqual([second.granted, asked()], [null, "b"]);
});

Deno.test("Pool.release: a lent resource goes to whoever waits next, and is nobody's any more", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  lend(a!, b!);
  const first = world.wait("first");
  equal(asked(), "a");
  world.release(a!.resource, "broken");
  deepEqual([first.granted, world.opens.length, asked()], [null, 1, ""], "another is opened in its place");
  world.open();
  equal(first.granted === null, false);
  const second = world.wait("second");
  equal(asked(), "b");
  world.release(first.granted);
  equal(second.granted, first.granted);
});

Deno.test("Pool forgets a wish for what is on its way back with whoever had it", () => {
  const { world, holders: [a, b], lend, asked } = rig("ab");
  lend(a!, b!);
  const first = world.wait("first");
  equal(asked(), "a");
  first.forget();
  const second = world.wait("second");
  equal(asked(), "", "it gets what the first one would have had");
  world.release(a!.resource);
  equal(second.granted, a!.resource);
});

Deno.test("Pool that is paused, recycled or closed has all back that is not needed, and it ends as it is released", () => {
  for (const how of ["pause", "recycle", "close"] as const) {
    const { world, holders: [a, b], lend, asked } = rig("ab");
    lend(a!);
    lend(b!);
    if (how === "pause") world.pool.setPaused(true, world.nowMs);
    if (how === "recycle") world.pool.recycle(world.nowMs);
    if (how === "close") world.pool.close(new PgplexError("config_changed", "gone"));
    equal(asked(), "ab", how);
    equal(world.pool.mustEnd(a!.resource), true, how);
  }
});
