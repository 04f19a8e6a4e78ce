/** Where a member of etcd is. */
export interface EtcdEndpoint {
  readonly host: string;
  readonly port: number;
  /** Whether it is reached by TLS. */
  readonly isSecure: boolean;
}

/** A name or an IPv4 address; or an IPv6 address, in brackets. */
const HOST = String.raw`([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])`;
const ENDPOINT = new RegExp(`^(https?)://${HOST}:([0-9]{1,5})/?$`);
const HOST_PORT = new RegExp(`^${HOST}:([0-9]{1,5})$`);

/** An endpoint as etcd's own tools take it, `https://10.0.0.9:2379`; else what it must be, as the end of "must be …". */
export function parseEndpoint(text: string): EtcdEndpoint | { readonly expected: string } {
  const [, scheme, host, port] = ENDPOINT.exec(text) ?? [];
  const place = placeOf(host, port);
  return place === null
    ? { expected: "http://HOST:PORT or https://HOST:PORT" }
    : { ...place, isSecure: scheme === "https" };
}

/** `10.0.0.5:6432` or `[fd00::5]:6432`; null for anything else. */
export function parseHostPort(text: string): { readonly host: string; readonly port: number } | null {
  const [, host, port] = HOST_PORT.exec(text) ?? [];
  return placeOf(host, port);
}

function placeOf(host: string | undefined, port: string | undefined) {
  if (host === undefined || port === undefined) return null;
  const number = Number(port);
  if (number < 1 || number > 65_535) return null;
  return { host: host.startsWith("[") ? host.slice(1, -1) : host, port: number };
}
