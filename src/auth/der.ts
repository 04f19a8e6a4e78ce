/** One DER element: its tag byte, its content, and its whole encoding. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

/** Tags of ITU-T X.690 that a certificate's parts have. */
export const DER = { integer: 0x02, oid: 0x06, sequence: 0x30, set: 0x31, context0: 0xa0 } as const;

/**
 * Reads one element at `at`, or null where there is none that is whole. For what X.509 needs: one-byte tags, definite
 * lengths up to four bytes (ITU-T X.690, 8.1).
 */
export function readDer(bytes: Uint8Array, at = 0): DerElement | null {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return null;
  let length = first;
  let start = at + 2;
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count < 1 || count > 4) return null;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + i] ?? 0);
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) return null;
  return { tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) };
}

/** The elements inside a constructed one, or null where they are not whole. */
export function childrenOf(element: DerElement): DerElement[] | null {
  const children: DerElement[] = [];
  for (let at = 0; at < element.content.length;) {
    const child = readDer(element.content, at);
    if (child === null) return null;
    children.push(child);
    at += child.whole.length;
  }
  return children;
}

/** An object identifier in dots, or null where the element is none. */
export function oidOf(element: DerElement | undefined): string | null {
  if (element?.tag !== DER.oid || element.content.length === 0) return null;
  const arcs: number[] = [];
  let arc = 0;
  for (const byte of element.content) {
    arc = arc * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      arcs.push(arc);
      arc = 0;
    }
  }
  const first = Math.min(2, Math.floor((arcs[0] ?? 0) / 40));
  return [first, (arcs[0] ?? 0) - first * 40, ...arcs.slice(1)].join(".");
}
