import { deepEqual, equal, ok } from "node:assert/strict";
import { parseConfig } from "../config/mod.ts";
import { settingsOf } from "./settings.ts";

Deno.test("settingsOf takes a cluster's keys, and those of the monitor", () => {
  const text = `
state_file: s
clusters:
  main:
    failover: auto
    superuser: {}
    max_failover_lag: 1MB
    nodes: [{ name: a, host: x, priority: 7, promote: false }]
monitor: { failure_timeout: 4s }
`;
  const parsed = parseConfig(text, { file: "f.yaml" });
  ok(!("problems" in parsed));
  const { clusters, monitor } = parsed.config;
  const settings = settingsOf(clusters.get("main")!, monitor);
  equal(settings.mode, "auto");
  equal(settings.maxFailoverLagBytes, 1024 ** 2);
  equal(settings.failureTimeoutMs, 4_000);
  equal(settings.primaryStartTimeoutMs, 30_000);
  deepEqual(settings.nodes, [{ name: "a", host: "x", port: 5432, priority: 7, promote: false }]);
});
