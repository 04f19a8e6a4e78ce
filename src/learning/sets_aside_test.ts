import { strictEqual as equal } from "node:assert/strict";
import { Fingerprints } from "./fingerprints.ts";
import { maySetAside } from "./sets_aside.ts";
import { Suspicion } from "./suspicion.ts";

const ran = (...texts: string[]) => texts.map((text, i) => new Fingerprints().learn(i, text));

Deno.test("maySetAside: by its words, by a function, or where it is not known", () => {
  const texts = [
    ...["SET work_mem = '4MB'", 'SET "work_mem" = 1', "SET SCHEMA 'a'", "SET jit TO on", 'SET U&"w" = 1'],
    ...[
      "RESET lock_timeout",
      "SELECT set_config($1, $2, false)",
      "SELECT f()",
      "SELECT a FROM t",
      "EXECUTE p",
    ],
    ...["SET a.b = '1'; SET search_path = x", "PREPARE p AS SELECT set_config('jit', 'on', false)", "DO 'x'"],
  ];
  for (const text of texts) equal(maySetAside({ ran: ran(text), suspicion: Suspicion.State }), true, text);
  equal(maySetAside({ ran: ran("SET ROLE a"), suspicion: Suspicion.Anything }), true, "by what it reaches");
});

Deno.test("maySetAside: no statement that sets something else by its words", () => {
  const texts = [
    ...[
      "BEGIN",
      "COMMIT",
      "SET ROLE a",
      "RESET ROLE",
      "SET TimeZone = 'UTC'",
      "SET maintenance_work_mem = '1MB'",
    ],
    ...["RESET ALL", "DISCARD ALL", "PREPARE p AS SELECT 1", "LISTEN a", "SET a.b = '1'"],
  ];
  for (const text of texts) equal(maySetAside({ ran: ran(text), suspicion: Suspicion.State }), false, text);
  equal(maySetAside({ ran: [], suspicion: Suspicion.None }), false);
});
