import type { ClusterTls, TlsProtocol } from "./schema.ts";

/** Whether a node may be spoken to without TLS. `mode` is one of `ClusterTlsMode`, or what PgBouncer calls so. */
export function mayDoWithoutTls(mode: string): boolean {
  return mode === "disable" || mode === "allow" || mode === "prefer";
}

/** The versions of a cluster's list that are spoken here, in its order. */
export function spokenProtocols({ protocols }: Pick<ClusterTls, "protocols">): TlsProtocol[] {
  return protocols.filter((name) => name === "TLSv1.2" || name === "TLSv1.3");
}
