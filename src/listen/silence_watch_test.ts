import { rejects, strictEqual as equal } from "node:assert/strict";
import { VirtualClock } from "../kernel/mod.ts";
import { SilenceWatch } from "./silence_watch.ts";

function rig() {
  const clock = new VirtualClock();
  const watch = new SilenceWatch(clock);
  const connection = {
    received: 0,
    closed: false,
    close() {
      this.closed = true;
    },
  };
  watch.begin(connection);
  return { clock, watch, connection };
}

Deno.test("SilenceWatch closes a connection that owes an answer and sends nothing", async () => {
  const { clock, watch, connection } = rig();
  const answer = Promise.withResolvers<void>();
  const answered = watch.answered(answer.promise);
  clock.advance(2999);
  equal(connection.closed, false);
  clock.advance(1);
  equal(connection.closed, true);
  answer.reject(new Error("closed"));
  await rejects(answered, /closed/);
});

Deno.test("SilenceWatch lets a connection be that owes a marker and sends something", () => {
  const { clock, watch, connection } = rig();
  watch.await(1);
  connection.received++;
  clock.advance(3000);
  equal(connection.closed, false);
  clock.advance(3000);
  equal(connection.closed, true);
});

Deno.test("SilenceWatch lets a connection be that owes nothing any more, or is over", async () => {
  const { clock, watch, connection } = rig();
  watch.await(1);
  watch.forget(1);
  await watch.answered(Promise.resolve());
  clock.advance(3000);
  watch.await(2);
  watch.end();
  equal(clock.pending, 0);
  watch.await(3);
  equal(clock.pending, 0, "there is no connection to watch");
  equal(connection.closed, false);
});
