import assert from "node:assert/strict";
import { type CheckedEndpoint, checkEtcd, type EtcdOptions, EtcdStore } from "../../src/coordination/mod.ts";
import { type EtcdConfig, Secret } from "../../src/config/mod.ts";
import type { Clock } from "../../src/kernel/mod.ts";
import type { Answer, Listing } from "../../src/instances/mod.ts";
import { waitFor } from "../harness/mod.ts";

/** The real clock. */
export const clock: Clock = {
  nowMs: () => performance.now(),
  exactMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, fire) => {
    const id = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(id) };
  },
};

/** What a test gives of the configuration. */
export interface Given {
  readonly endpoints: readonly string[];
  readonly prefix?: string;
  readonly user?: string;
  readonly password?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly onMember?: EtcdOptions["onMember"];
}

function optionsOf(
  { endpoints, prefix = "/pgplex/", user, password, ca, cert, key, onMember }: Given,
): EtcdOptions {
  const tls: EtcdConfig["tls"] = {
    ca_file: null,
    cert_file: null,
    key_file: null,
    ca_pem: ca ?? null,
    cert_pem: cert ?? null,
    key_pem: key === undefined ? null : new Secret(key),
  };
  return {
    etcd: {
      endpoints,
      prefix,
      tls,
      user: user ?? null,
      password: password === undefined ? null : new Secret(password),
      password_file: null,
      password_env: null,
    },
    clock,
    ...(onMember && { onMember }),
  };
}

/** A store that is closed at the end of its block. */
export async function openStore(given: Given): Promise<EtcdStore & AsyncDisposable> {
  const store = await EtcdStore.open(optionsOf(given));
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

export function check(given: Given): Promise<CheckedEndpoint[]> {
  return checkEtcd(optionsOf(given));
}

/** The value of an answer that must be there. */
export function done<T>(answer: Answer<T>): T {
  assert.ok(answer.kind === "done", JSON.stringify(answer));
  return answer.value;
}

/** Asks again until the answer is there. */
export function eventually<T>(what: string, ask: () => Promise<Answer<T>>): Promise<{ readonly value: T }> {
  return waitFor(async () => {
    const answer = await ask();
    return answer.kind === "done" ? { value: answer.value } : null;
  }, { what, deadlineMs: 20_000 });
}

/** Collects what a watch tells. */
export class Watched {
  last: Listing | null = null;
  calls = 0;
  readonly end: () => void;

  constructor(store: EtcdStore, prefix: string) {
    this.end = store.watch(prefix, (listing) => {
      this.last = listing;
      this.calls++;
    });
  }

  value(key: string): string | undefined {
    return this.last?.entries.get(key)?.value;
  }

  async until(what: string, holds: () => boolean, deadlineMs = 15_000): Promise<void> {
    await waitFor(holds, { what, deadlineMs });
  }
}

/** How long something took, and what came of it. */
export async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const startMs = performance.now();
  const value = await work;
  return { value, ms: performance.now() - startMs };
}
