import assert from "node:assert/strict";
import { Secret } from "../../config/mod.ts";
import type { Reply } from "./reply.ts";
import { Token } from "./token.ts";

/** A token for which etcd answers in turn as `replies` say. */
function played(...replies: Reply<{ token: string }>[]) {
  const asked: object[] = [];
  const token = new Token({ user: "pgplex", password: new Secret("geheim") }, {
    authenticate: (request) => {
      asked.push(request);
      return Promise.resolve(replies[asked.length - 1]!);
    },
  });
  return { asked, token };
}

const given = (token: string): Reply<{ token: string }> => ({ kind: "answered", value: { token } });
const answered = (value: string): Reply<string> => ({ kind: "answered", value });

Deno.test("a token is asked for once, by the user's name and password, also by two at a time", async () => {
  const { asked, token } = played(given("t1"));
  assert.deepEqual(await Promise.all([token.get(1), token.get(1)]), [answered("t1"), answered("t1")]);
  assert.deepEqual(await token.get(1), answered("t1"));
  assert.deepEqual(asked, [{ name: "pgplex", password: "geheim" }]);
});

Deno.test("a token that is dropped is asked for anew, unless another one has taken its place", async () => {
  const { token } = played(given("t1"), given("t2"));
  await token.get(1);
  token.drop("t1");
  assert.deepEqual(await token.get(1), answered("t2"));
  token.drop("t1");
  assert.deepEqual(await token.get(1), answered("t2"));
});

Deno.test("where etcd asks for no users there is no token, and where it does later it is asked", async () => {
  const off = { kind: "refused", reason: "etcdserver: authentication is not enabled", code: 9 } as const;
  const { token } = played(off, given("t1"));
  assert.deepEqual(await token.get(1), answered(""));
  token.drop("");
  assert.deepEqual(await token.get(1), answered("t1"));
});

Deno.test("a wrong password is a refusal; a login that is lost means that the call was not sent", async () => {
  const wrong = { kind: "refused", reason: "etcdserver: authentication failed", code: 3 } as const;
  const lost = { kind: "lost", reason: "Connection dropped", code: 14 } as const;
  const { token } = played(wrong, lost, given("t1"));
  assert.deepEqual(await token.get(1), wrong);
  assert.deepEqual(await token.get(1), { kind: "unsent", reason: "logging in: Connection dropped" });
  assert.deepEqual(await token.get(1), answered("t1"));
});
