/** Pure files without a test beside them, each with the reason why it has none. See `structure.ts`. */
export const UNTESTED: Readonly<Record<string, string>> = {
  "src/console/client/client.ts": "drives a socket: tests/console/ talks to it over the wire",
  "src/config/option_names.ts": "a list of names: options_test.ts holds it against the table of options",
  "src/config/pool_rows.ts": "rows of the table of settings: settings_test.ts goes over all of them",
  "src/protocol/types.ts": "constants: dispatch_test.ts holds them against the protocol's chapter",
  "src/schema/schema_run.ts": "drives servers: tests/schema/",
  "src/telemetry/counters.ts": "fields to which others add: nothing in it can fail",
  "src/telemetry/log.ts": "an interface, and a log that drops everything",
  "src/moves/requests.ts": "runs what sql_request.ts says at servers: tests/moves/requests_test.ts",
  "src/moves/verb_runner.ts": "hands verbs on to servers: tests/moves/",
  "src/verbs/host_runs.ts": "runs programs on a server's host: tests/verbs/",
  "src/verbs/node_facts.ts": "asks a server: tests/verbs/",
  "src/verbs/node_verbs.ts": "gives each verb its deadline: tests/verbs/ calls them all",
  "src/verbs/primary_verbs.ts": "drives a server: tests/verbs/",
  "src/verbs/record_verbs.ts": "drives a server: tests/verbs/",
  "src/verbs/rejoin.ts": "drives a server: tests/verbs/",
  "src/verbs/standby_verbs.ts": "drives a server: tests/verbs/",
};

/** Problems that are still there, by their keys. One that is gone is a problem itself. */
export const KNOWN: readonly string[] = [];
