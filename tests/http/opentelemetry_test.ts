import assert from "node:assert/strict";
import { freePort, startPgplex, waitFor } from "../harness/mod.ts";

/** OTLP's JSON, as far as it is looked at. */
interface Collected {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly {
      readonly scope: { readonly name: string; readonly version: string };
      readonly metrics: readonly {
        readonly name: string;
        readonly gauge?: { readonly dataPoints: readonly Point[] };
        readonly sum?: { readonly isMonotonic: boolean; readonly dataPoints: readonly Point[] };
      }[];
    }[];
  }[];
}

interface Point {
  readonly asDouble?: number;
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[];
}

Deno.test({
  name: "with OTEL_DENO an OpenTelemetry collector gets the metrics of /metrics, without an HTTP endpoint",
  // An executable has it on where it was compiled so.
  ignore: Deno.env.has("PGPLEX_BIN"),
  fn: async () => {
    const collected: Collected[] = [];
    const port = freePort();
    await using _collector = Deno.serve(
      { hostname: "127.0.0.1", port, onListen: () => {} },
      async (request) => {
        const body = await request.text();
        if (new URL(request.url).pathname === "/v1/metrics") collected.push(JSON.parse(body));
        return Response.json({});
      },
    );
    await using _pgplex = await startPgplex({
      config: { clusters: { main: { nodes: [{ name: "n1", host: "127.0.0.1", port: freePort() }] } } },
      env: {
        OTEL_DENO: "true",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_METRIC_EXPORT_INTERVAL: "100",
      },
    });
    const metrics = () =>
      collected.flatMap(({ resourceMetrics }) => resourceMetrics)
        .flatMap(({ scopeMetrics }) => scopeMetrics)
        .filter(({ scope }) => scope.name === "pgplex")
        .flatMap(({ metrics }) => metrics);
    await waitFor(() => metrics().length > 0, { what: "metrics to be exported" });
    const by = (name: string) => metrics().find((metric) => metric.name === name);
    assert.equal(by("pgbouncer_up")?.gauge?.dataPoints[0]?.asDouble, 1);
    const serving = by("pgplex_cluster_serving")?.gauge?.dataPoints[0];
    assert.deepEqual(serving?.attributes, [{ key: "cluster", value: { stringValue: "main" } }]);
    assert.equal(by("pgplex_accepted_connections_total")?.sum?.isMonotonic, true);
  },
});
