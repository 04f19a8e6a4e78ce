import { deepStrictEqual as deepEqual, strictEqual as equal } from "node:assert/strict";
import * as frontend from "../../tests/harness/frontend.ts";
import { PgplexError } from "../kernel/mod.ts";
import { encodeError, encodeNotice, encodeReadyForQuery, TxStatus } from "../protocol/mod.ts";
import { atRest, until } from "../servers/fake_cluster_test.ts";
import { beginSession, sessionParts } from "./fake_sessions_test.ts";

const CANCELED = encodeError("ERROR", new PgplexError("internal", "canceled", { sqlstate: "57014" }));
const CRASH = encodeNotice("WARNING", new PgplexError("internal", "crash", { sqlstate: "57P02" }));

Deno.test("Session lets go of a connection of which nobody knows what it has read, and closes it", async () => {
  const parts = sessionParts("state_check: learn");
  const { session, client, over } = beginSession(parts, {}, frontend.query("copyin"));
  await until(() => parts.cluster.servers[0]?.model.copying === true);
  await atRest();
  const { stream } = parts.cluster.servers[0]!;
  client.stream.say(frontend.sync());
  await atRest();
  client.said();
  // Had it read the Sync as a part of the COPY, or does it still stand before it?
  stream.say(CANCELED, encodeReadyForQuery(TxStatus.Idle));
  await atRest();
  equal(client.heard(), "(ERROR 57014 canceled)Z");
  deepEqual([session.server, session.destination.pool!.pool.leasedCount, stream.closed], [null, 0, true]);

  // What it says as it crashes is not taken for the session's next connection's.
  client.stream.say(frontend.query("begin"));
  await atRest();
  equal(client.heard().startsWith("(ERROR 08006 the state of the session was lost"), true);
  client.stream.say(frontend.query("begin"));
  await atRest();
  client.said();
  stream.say(CRASH);
  stream.end();
  await atRest();
  deepEqual([client.heard(), session.server !== null, session.destination.counters.lost], ["", true, 0]);
  client.stream.say(frontend.query("SELECT 1"), frontend.terminate());
  await over;
  equal(client.heard(), "TDCZT");
  await parts.end();
});
