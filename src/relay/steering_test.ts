import { deepStrictEqual as deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { RelayPlay } from "../../tests/harness/relay_play.ts";
import type { PoolSettings } from "../config/mod.ts";
import { orderOf, type Steered } from "./steering.ts";

function made(directives: PoolSettings["directives"] = "warn") {
  const play = new RelayPlay({ directives });
  const { steering, host, relay } = play.rig;
  /** What a statement asks of pgplex. */
  const peek = (sql: string, seen = sql.length + 1): Steered | null => {
    const bytes = new TextEncoder().encode(`${sql}\0`);
    return steering.peek(bytes, 0, bytes.length, seen);
  };
  return { play, steering, host, relay, server: play.server.connection, peek };
}

const warnings = (steered: Steered | null) => steered?.warnings.map(({ message }) => message);

Deno.test("Steering.peek sees directives and options, and nothing in other statements", () => {
  const { peek } = made();
  equal(peek("SELECT 1"), null);
  equal(peek("/* a comment */ SELECT 1"), null);
  const steered = peek("--!pgplex query_timeout=5s\nSELECT 1")!;
  deepEqual(steered.statement.map(({ spec, value }) => [spec.name, value]), [["query_timeout", 5000]]);
  deepEqual(peek("SET pgplex.tag = 'a'")?.option, { name: "tag", value: "a" });
  equal(peek("SHOW pgplex.tag")?.show?.setting, "pgplex.tag");
});

Deno.test("Steering warns of a directive that is wrong, fails the statement where it is strict, and is off where it is off", () => {
  const wrong = "--!pgplex query_timout=5s\nSELECT 1";
  const { peek } = made();
  deepEqual([peek(wrong)?.error, warnings(peek(wrong))?.length], [null, 1]);
  ok(made("strict").peek(wrong)?.error?.message.includes("query_timout"));
  equal(made("off").peek(wrong), null);
});

Deno.test("Steering.sees waits for the head of a text, but not for more than there is", () => {
  const { steering } = made();
  deepEqual([steering.sees(10, 9), steering.sees(10, 10), steering.sees(1 << 20, 1 << 19)], [
    false,
    true,
    true,
  ]);
});

Deno.test("Steering.apply does what was asked: warns, sets on the server, pins", async () => {
  const { play, steering, host, server, peek, relay } = made();
  relay.leaseBegins(server, false);
  steering.apply(server, peek("--!pgplex session tag=a, pin\nSELECT 1")!, true);
  await server.out.flush();
  ok(play.sent().includes("SET pgplex.tag TO"));
  deepEqual([host.options.pinned, relay.watch.optionsMentioned, server.owed.readies], [true, true, 1]);
  steering.apply(server, peek("--!pgplex session nothing=a\nSELECT 1")!, true);
  server.owed.clear();
  steering.apply(server, peek("--!pgplex unpin\nSELECT 1")!, true);
  equal(host.options.pinned, false);
});

Deno.test("Steering: what a statement alone asks for holds until it ends", async () => {
  const { play, steering, host } = made();
  await play.tell(frontend.query("--!pgplex query_timeout=5s\nSELECT 1"));
  deepEqual([steering.active, steering.timed, host.options.forStatement], [true, true, true]);
  await play.answer();
  deepEqual([steering.active, steering.timed, host.options.forStatement], [false, false, false]);
});

Deno.test("Steering: a statement with a time runs alone", async () => {
  const { play } = made();
  const timed = frontend.query("--!pgplex query_timeout=5s\nSELECT 1");
  await play.tell(frontend.query("SELECT 1"), timed);
  equal(play.rig.waiting, "replies");
  await play.answer();
  equal(play.heard(), "TDCZTDCZ");
  await play.tell(timed, frontend.query("SELECT 1"));
  equal(play.rig.waiting, "replies");
  await play.answer();
});

Deno.test("Steering.answersItself where nothing has to go to a server", () => {
  const { steering, peek } = made("strict");
  const answers = (sql: string) => steering.answersItself(peek(sql)!);
  deepEqual(
    [
      "SHOW pgplex.tag",
      "SET pgplex.tag = 'a'",
      "--!pgplex nonsense\nSELECT 1",
      "--!pgplex pin\nSHOW pgplex.tag",
    ]
      .map(answers),
    [true, false, true, false],
  );
});

Deno.test("orderOf keeps what a prepared statement asks for each time, and nothing of most", () => {
  const { peek } = made();
  equal(orderOf(null), null);
  equal(orderOf(peek("SET pgplex.tag = 'a'")), null);
  const order = orderOf(peek("--!pgplex query_timeout=5s\nSELECT 1"));
  deepEqual(order?.changes.map(({ value }) => value), [5000]);
  equal(orderOf(peek("SHOW pgplex.tag"))?.show?.setting, "pgplex.tag");
});
