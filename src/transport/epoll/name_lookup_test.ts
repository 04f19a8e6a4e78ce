import assert from "node:assert/strict";
import { NameLookup } from "./name_lookup.ts";

/** A lookup over a resolver that answers when it is told to. */
function rig() {
  const asked: string[] = [];
  const answers = new Map<string, PromiseWithResolvers<readonly string[]>>();
  const lookup = new NameLookup((name) => {
    asked.push(name);
    const answer = Promise.withResolvers<readonly string[]>();
    answers.set(name, answer);
    return answer.promise;
  });
  return { lookup, asked, answers };
}

Deno.test("NameLookup asks once for a name that several want at the same time, and again for who wants it later", async () => {
  const { lookup, asked, answers } = rig();
  const both = [lookup.addressesOf("db"), lookup.addressesOf("db")];
  answers.get("db")!.resolve(["192.0.2.1"]);
  assert.deepEqual(await Promise.all(both), [["192.0.2.1"], ["192.0.2.1"]]);
  assert.deepEqual(asked, ["db"]);
  const later = lookup.addressesOf("db");
  answers.get("db")!.resolve(["192.0.2.2"]);
  assert.deepEqual(await later, ["192.0.2.2"]);
  assert.deepEqual(asked, ["db", "db"]);
});

Deno.test("NameLookup asks for eight names at a time, the others in their order, whether answers are good or bad", async () => {
  const { lookup, asked, answers } = rig();
  const names = Array.from({ length: 20 }, (_, i) => `db${i}`);
  const found = names.map((name) =>
    lookup.addressesOf(name).then(([first]) => first, (error) => error.message)
  );
  for (const [i, name] of names.entries()) {
    assert.deepEqual(asked, names.slice(0, Math.min(20, i + 8)));
    if (i % 2 === 0) answers.get(name)!.resolve([name]);
    else answers.get(name)!.reject(new Error(`no ${name}`));
    assert.equal(await found[i], i % 2 === 0 ? name : `no ${name}`);
  }
});

Deno.test("NameLookup forgets a name that is unknown", async () => {
  const { lookup, asked, answers } = rig();
  const first = lookup.addressesOf("db");
  answers.get("db")!.reject(new Error("unknown"));
  await assert.rejects(first, /unknown/);
  const second = lookup.addressesOf("db");
  answers.get("db")!.resolve([]);
  assert.deepEqual(await second, []);
  assert.deepEqual(asked, ["db", "db"]);
});
