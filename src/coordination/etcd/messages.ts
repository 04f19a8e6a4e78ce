import type { Change, Committed, Condition, Entry } from "../../instances/mod.ts";

/**
 * etcd's messages as `@grpc/proto-loader` makes them of its protocol files, as far as they are used here: fields in snake_case, 64-bit
 * numbers as decimal text, bytes as bytes. Source: etcd's api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto.
 */
export interface Header {
  readonly revision: string;
}

/** mvccpb.KeyValue */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly create_revision: string;
  readonly mod_revision: string;
}

/** mvccpb.Event */
export interface Event {
  readonly type: "Put" | "Delete";
  readonly kv: KeyValue;
}

export interface RangeResponse {
  readonly header: Header;
  readonly kvs: readonly KeyValue[];
}

export interface TxnResponse {
  readonly header: Header;
  readonly succeeded: boolean;
  readonly responses: readonly { readonly response_range?: RangeResponse | null }[];
}

export interface WatchResponse {
  readonly header: Header;
  readonly created: boolean;
  readonly canceled: boolean;
  /** Other than 0: what was asked for is compacted away. */
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly events: readonly Event[];
}

/** Of Compare, by their numbers: what the library does not know by its name it takes for the first one, without a word. */
const EQUAL = 0;
const TARGET = { create: 1, mod: 2 } as const;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Makes etcd's keys of a store's by a prefix, and the reverse. */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  toEtcd(key: string): Uint8Array {
    return ENCODER.encode(this.#prefix + key);
  }

  /** @returns undefined for a key that another prefix has */
  fromEtcd(key: Uint8Array): string | undefined {
    const text = DECODER.decode(key);
    return text.startsWith(this.#prefix) ? text.slice(this.#prefix.length) : undefined;
  }

  /** All keys that begin with `prefix`, as a range of etcd's: from `key` to before `range_end`. */
  range(prefix: string): { key: Uint8Array; range_end: Uint8Array } {
    const key = this.toEtcd(prefix);
    return { key, range_end: endOfPrefix(key) };
  }

  entryOf(kv: KeyValue): Entry {
    return {
      key: this.fromEtcd(kv.key) ?? "",
      value: DECODER.decode(kv.value),
      createRevision: Number(kv.create_revision),
      modRevision: Number(kv.mod_revision),
    };
  }

  /** By key. */
  entriesOf(kvs: readonly KeyValue[]): Map<string, Entry> {
    return new Map(kvs.map((kv) => this.entryOf(kv)).map((entry) => [entry.key, entry]));
  }

  /** A commit as a transaction of etcd's. The keys, and behind them the prefix, are read by its last operations, in either case. */
  txn(
    conditions: readonly Condition[],
    changes: readonly Change[],
    keys: readonly string[],
    prefix?: string,
  ): object {
    const reads = [
      ...keys.map((key) => ({ request_range: { key: this.toEtcd(key) } })),
      ...(prefix === undefined ? [] : [{ request_range: this.range(prefix) }]),
    ];
    return {
      compare: conditions.map((condition) => this.#compare(condition)),
      success: [...changes.map((change) => this.#operation(change)), ...reads],
      failure: reads,
    };
  }

  #compare(condition: Condition): object {
    const key = this.toEtcd(condition.key);
    return "createRevision" in condition
      ? { key, result: EQUAL, target: TARGET.create, create_revision: String(condition.createRevision) }
      : { key, result: EQUAL, target: TARGET.mod, mod_revision: String(condition.modRevision) };
  }

  #operation(change: Change): object {
    switch (change.kind) {
      case "put":
        return { request_put: { key: this.toEtcd(change.key), value: ENCODER.encode(change.value) } };
      case "remove":
        return { request_delete_range: { key: this.toEtcd(change.key) } };
    }
  }

  /** What a transaction read by its last operations: one for each of `count` keys, and one for a prefix. */
  readIn(
    { responses }: TxnResponse,
    count: number,
    prefix?: string,
  ): Pick<Committed, "entries" | "listed"> {
    const end = responses.length - (prefix === undefined ? 0 : 1);
    const entries = responses.slice(end - count, end).map(({ response_range }) => {
      const kv = response_range?.kvs[0];
      return kv === undefined ? null : this.entryOf(kv);
    });
    if (prefix === undefined) return { entries };
    return { entries, listed: this.entriesOf(responses[end]?.response_range?.kvs ?? []) };
  }
}

/** The first key behind all that begin with `prefix`: its last byte that can be raised is; a single zero byte is etcd's "to the end". */
function endOfPrefix(prefix: Uint8Array): Uint8Array {
  for (let last = prefix.length - 1; last >= 0; last--) {
    if (prefix[last]! < 255) {
      const end = prefix.slice(0, last + 1);
      end[last]!++;
      return end;
    }
  }
  return new Uint8Array(1);
}
