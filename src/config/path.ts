import { assert } from "../kernel/mod.ts";

/** The way from a configuration's root to a value: key names, names in a mapping, and places in a list. */
export type Segments = readonly (string | number)[];

/**
 * The path as people write it: `clusters.main.nodes[0].host`. A name that is not plain (letters, digits, `_`, `-`) is
 * put in quotes, so that `databases."a.b".cluster` cannot be mistaken.
 */
export function formatPath(segments: Segments): string {
  let text = "";
  for (const segment of segments) {
    if (typeof segment === "number") text += `[${segment}]`;
    else {
      const name = /^[\p{L}\p{N}_-]+$/u.test(segment) ? segment : JSON.stringify(segment);
      text += text === "" ? name : `.${name}`;
    }
  }
  return text;
}

/** A copy of `root` in which the value at `segments` is `value`; what lies beside the way is shared. */
export function withValue<T>(root: T, segments: Segments, value: unknown): T {
  const [head, ...rest] = segments;
  if (head === undefined) return value as T;
  if (root instanceof Map) {
    return new Map(root).set(head, withValue(root.get(head), rest, value)) as T;
  }
  if (Array.isArray(root)) {
    return root.map((item, index) => index === head ? withValue(item, rest, value) : item) as T;
  }
  assert(typeof root === "object" && root !== null, "a path leads through mappings and lists");
  const record = root as Record<string, unknown>;
  return { ...record, [head]: withValue(record[head], rest, value) } as T;
}

/** The value at `segments`, or undefined where the way ends early. */
export function valueAt(root: unknown, segments: Segments): unknown {
  let value = root;
  for (const segment of segments) {
    if (value instanceof Map) value = value.get(segment);
    else if (typeof value === "object" && value !== null && Object.hasOwn(value, segment)) {
      value = (value as Record<string | number, unknown>)[segment];
    } else return undefined;
  }
  return value;
}
