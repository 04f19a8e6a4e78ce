import { parseEndpoint, parseHostPort } from "./endpoint.ts";
import { formatPath, type Segments } from "./path.ts";
import type { Config, CoordinationConfig } from "./schema.ts";

/** Notes that the value at `at` must be other than it is, because of itself or of those at `because`. */
export type ReportMust = (
  at: Segments,
  must: string,
  received: string,
  because?: readonly Segments[],
) => void;

const ETCD = ["coordination", "etcd"];
const ENDPOINTS = [...ETCD, "endpoints"];

/** What is wrong with `coordination`, but for the sources of its password. */
export function checkCoordination(coordination: CoordinationConfig, report: ReportMust): void {
  checkEndpoints(coordination, report);
  checkSecrets(coordination, report);
  const { lease_ttl, advertise, etcd: { prefix } } = coordination;
  if (!prefix.endsWith("/")) report([...ETCD, "prefix"], 'end with "/"', JSON.stringify(prefix));
  if (lease_ttl % 1_000 !== 0) {
    report(["coordination", "lease_ttl"], "be whole seconds, which etcd counts in", `${lease_ttl}ms`);
  }
  if (advertise === null) return;
  const place = parseHostPort(advertise);
  if (place === null || place.host === "0.0.0.0" || place.host === "::") {
    report(
      ["coordination", "advertise"],
      "be HOST:PORT as others reach this instance",
      JSON.stringify(advertise),
    );
  }
}

/** What is good, and of no use: the path and the reason. */
export function unusedBeside({ coordination, state_file }: Config): [Segments, string][] {
  return coordination === null || state_file === null
    ? []
    : [[["state_file"], "state_file is not used while coordination is given: the records are in etcd"]];
}

function checkEndpoints({ etcd: { endpoints, tls } }: CoordinationConfig, report: ReportMust): void {
  if (endpoints.length === 0) report(ENDPOINTS, "have at least 1 entry", "none");
  const parsed = endpoints.map(parseEndpoint);
  const seen = new Set<string>();
  for (const [index, endpoint] of parsed.entries()) {
    if ("expected" in endpoint) {
      // What stands in front of an "@" may be a password.
      const text = endpoints[index]!;
      const received = text.includes("@") ? "one with an @ (not shown)" : JSON.stringify(text);
      report(ENDPOINTS, `hold only ${endpoint.expected}`, received);
      continue;
    }
    const place = formatPath([endpoint.host.toLowerCase(), endpoint.port]);
    if (seen.has(place)) {
      report(ENDPOINTS, "name each member once", `${JSON.stringify(endpoints[index])} again`);
    }
    seen.add(place);
  }
  if (parsed.some((endpoint) => "expected" in endpoint)) return;
  const secure = parsed.filter((endpoint) => "isSecure" in endpoint && endpoint.isSecure).length;
  if (secure > 0 && secure < parsed.length) {
    report(ENDPOINTS, "be all https or all http", "both");
  }
  const given = (["ca_file", "cert_file", "key_file"] as const).find((key) => tls[key] !== null);
  if (secure === 0 && parsed.length > 0 && given !== undefined) {
    report([...ETCD, "tls", given], "be null while endpoints are http", "a file", [ENDPOINTS]);
  }
}

function checkSecrets({ etcd }: CoordinationConfig, report: ReportMust): void {
  const { user, tls: { cert_file, key_file } } = etcd;
  if ((cert_file === null) !== (key_file === null)) {
    const [given, missing] = cert_file === null ? ["key_file", "cert_file"] : ["cert_file", "key_file"];
    report([...ETCD, "tls", given!], `go with ${missing}`, "it alone", [[...ETCD, "tls", missing!]]);
  }
  const sources = ["password", "password_file", "password_env"] as const;
  const given = sources.find((key) => etcd[key] !== null);
  const because = [[...ETCD, "user"], ...sources.map((key) => [...ETCD, key])];
  if (user === null && given !== undefined) {
    report([...ETCD, given], "be null while user is null", "a password", because);
  }
  if (user !== null && given === undefined) report([...ETCD, "user"], "have a password", "none", because);
}
