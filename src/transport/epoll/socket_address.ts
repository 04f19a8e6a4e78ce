import { isIP } from "node:net";

const [AF_UNIX, AF_INET, AF_INET6] = [1, 2, 10];

/** Bytes of the longest address, struct sockaddr_un. */
export const ADDRESS_MAX_BYTES = 110;

/** An address as the kernel has it (bind(2), ip(7), ipv6(7), unix(7)); families' numbers are Linux's. */
export interface SocketAddress {
  readonly family: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** `host` is an IP address in its textual form, without a zone (`%eth0`). Null when it is none. */
export function inetAddress(host: string, port: number): SocketAddress | null {
  const version = isIP(host);
  if (version === 0 || host.includes("%")) return null;
  const family = version === 4 ? AF_INET : AF_INET6;
  const bytes = new Uint8Array(version === 4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port);
  if (version === 4) bytes.set(host.split(".").map(Number), 4);
  else groupsOf(host).forEach((group, i) => view.setUint16(8 + 2 * i, group));
  return { family, bytes };
}

/** @throws Error when the path does not fit a socket's address */
export function unixAddress(path: string): SocketAddress {
  const name = new TextEncoder().encode(path);
  if (name.length > ADDRESS_MAX_BYTES - 3) {
    throw new Error(`the path of a unix socket has ${name.length} bytes, at most 107`);
  }
  const bytes = new Uint8Array(2 + name.length + 1);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, 2);
  return { family: AF_UNIX, bytes };
}

/** As {@link unixAddress}, where a path that begins with `@` is a name of Linux's own namespace, without a file (unix(7)). */
export function namedUnixAddress(path: string): SocketAddress {
  if (!path.startsWith("@")) return unixAddress(path);
  const { family, bytes } = unixAddress(path);
  bytes[2] = 0;
  // Every byte of such a name counts, so none stands behind it.
  return { family, bytes: bytes.slice(0, -1) };
}

/** IP address and port, or null for a unix socket. IPv6 as RFC 5952 writes it. */
export function inetOf(bytes: Uint8Array<ArrayBuffer>): { host: string; port: number } | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const family = view.getUint16(0, true);
  if (family === AF_INET) return { host: dotted(bytes, 4), port: view.getUint16(2) };
  if (family !== AF_INET6) return null;
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i));
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const host = mapped ? `::ffff:${dotted(bytes, 20)}` : compress(groups);
  return { host, port: view.getUint16(2) };
}

function dotted(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** The eight groups of an IPv6 address. */
function groupsOf(host: string): number[] {
  // The dotted end of a mapped address is two groups.
  const plain = host.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...quad) => {
    const [a, b, c, d] = quad.slice(0, 4).map(Number) as [number, number, number, number];
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const parse = (text: string) => text === "" ? [] : text.split(":").map((group) => parseInt(group, 16));
  if (tail === undefined) return parse(head);
  const [first, last] = [parse(head), parse(tail)];
  return [...first, ...new Array(8 - first.length - last.length).fill(0), ...last];
}

/** The longest run of zero groups, the first of several, becomes `::` when it is longer than one. */
function compress(groups: readonly number[]): string {
  let [start, length] = [0, 0];
  for (let i = 0; i < 8;) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
    i = Math.max(end, i + 1);
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}
