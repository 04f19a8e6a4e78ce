import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import fc from "fast-check";
import { Driver, type Message, messages, NaiveServer, play } from "./owed_model_test.ts";

Deno.test("OwedReplies agrees with a naive server, whatever is sent, fails, and overtakes what", () => {
  fc.assert(
    fc.property(messages, fc.infiniteStream(fc.nat(2)), (messages, choices) => {
      const driver = new Driver();
      const direct = new NaiveServer();
      const expected = messages.flatMap((message) => direct.answer(message))
        .filter((reply) => !reply.startsWith("own"));
      play(driver, messages, choices);
      deepEqual(driver.heard, expected);
      equal(driver.owed.settled, true);
      equal(driver.owed.skipping, driver.server.skipping);
      equal(driver.owed.copyIn, false);
      settledOnce(messages, driver);
    }),
    { numRuns: 2000 },
  );
});

/** Each effect was done if its reply was heard, and undone if not; done ones in order. */
function settledOnce(messages: readonly Message[], { heard, swallowed, effects }: Driver): void {
  const withEffect = messages.filter(({ kind }) => kind === "parse" || kind === "local" || kind === "own");
  const replies = [...heard, ...swallowed];
  const done = withEffect.filter(({ kind, serial }) => replies.includes(`${kind} ${serial}`));
  deepEqual(effects.filter((effect) => effect.endsWith(" done")), done.map(({ serial }) => `${serial} done`));
  deepEqual(
    effects.map((effect) => effect.split(" ")[0]).sort(),
    withEffect.map(({ serial }) => `${serial}`).sort(),
  );
}
