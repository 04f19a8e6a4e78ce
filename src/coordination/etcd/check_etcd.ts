import { Library } from "./library.ts";
import { upstreamsOf } from "./etcd_store.ts";
import { type Call, Member } from "./member.ts";
import { Keys } from "./messages.ts";
import type { EtcdOptions } from "./options.ts";
import { Shim } from "./shim.ts";

/** For each step. */
const STEP_MS = 3_000;

/** What came of trying a member. */
export interface CheckedEndpoint {
  readonly endpoint: string;
  /** Null: it can be reached, lets in, and lets the prefix be read. */
  readonly problem: string | null;
  /** etcd's; null where it was not told. */
  readonly version: string | null;
}

/** Tries each member of a configuration: reaches it, logs in, reads the prefix. Nothing is written. Never rejects. */
export async function checkEtcd({ etcd, clock }: EtcdOptions): Promise<CheckedEndpoint[]> {
  const { user, password } = etcd;
  const credentials = user === null || password === null ? null : { user, password };
  let shim: Shim;
  try {
    shim = await Shim.open(upstreamsOf(etcd), clock);
  } catch (error) {
    return etcd.endpoints.map((endpoint) => ({ endpoint, problem: String(error), version: null }));
  }
  const library = await Library.load(clock);
  try {
    return await Promise.all(etcd.endpoints.map(async (endpoint, index) => {
      const member = new Member({
        connection: library.connect(shim.addressOf(index)),
        credentials,
        clock,
        problem: () => shim.problemOf(index),
      });
      const call = <T>(call: Pick<Call, "service" | "method" | "request">) => {
        const untilMs = clock.exactMs() + STEP_MS;
        return member.call<T>({ ...call, connectUntilMs: untilMs, untilMs });
      };
      try {
        const range = new Keys(etcd.prefix).range("");
        const read = await call({ service: "KV", method: "range", request: { ...range, limit: "1" } });
        if (read.kind !== "answered") return { endpoint, problem: read.reason, version: null };
        const status = await call<{ version: string }>({
          service: "Maintenance",
          method: "status",
          request: {},
        });
        return { endpoint, problem: null, version: status.kind === "answered" ? status.value.version : null };
      } finally {
        await member.close();
      }
    }));
  } finally {
    await shim.close();
  }
}
