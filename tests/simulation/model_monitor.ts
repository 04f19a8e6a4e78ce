import type { WatchedNode } from "../../src/monitor/mod.ts";
import {
  afterOutcome,
  afterTime,
  type HealthState,
  lapsesAtMs,
  UNASKED,
} from "../../src/monitor/node_health.ts";
import type { ClusterRecord, SynchronousNames } from "../../src/arbiter/mod.ts";
import type { Clock } from "../../src/kernel/mod.ts";
import type { ModelNode } from "./model_node.ts";
import { placeOf, type Servers } from "./servers.ts";

const LIMITS = { failureTimeoutMs: 3_000, failureConfirmMs: 300 };
const QUERY_MS = 2_000;

type Answer = NonNullable<WatchedNode["answer"]>;

interface Watched {
  state: HealthState;
  answer: Answer | null;
  isAsking: boolean;
  serial: number;
}

/** What a monitor needs of its instance. */
export interface MonitorParts {
  readonly instance: number;
  readonly clock: Clock;
  readonly servers: Servers;
  /** Runs what comes to this life of the instance; while it is asleep that waits. */
  readonly enter: (run: () => void) => void;
  readonly record: () => ClusterRecord | null;
  readonly heard: (node: ModelNode, watched: WatchedNode) => void;
  readonly tell: (text: string) => void;
}

/** The monitor in one life of an instance, on the real machine of health. */
export class ModelMonitor {
  readonly #parts: MonitorParts;
  readonly #watched: ReadonlyMap<ModelNode, Watched>;
  #isOver = false;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
    this.#watched = new Map(
      parts.servers.nodes.map((node) => [node, { state: UNASKED, answer: null, isAsking: false, serial: 0 }]),
    );
  }

  start(): void {
    for (const node of this.#parts.servers.nodes) this.#beat(node);
  }

  end(): void {
    this.#isOver = true;
  }

  /** A node as it was found. */
  healthOf(node: ModelNode): HealthState["health"] {
    return this.#watched.get(node)!.state.health;
  }

  /** A connection to a node has ended: it is asked at once. */
  lost(node: ModelNode): void {
    const { instance, servers, enter } = this.#parts;
    servers.agenda.after(20, () =>
      enter(() => {
        if (servers.isOpen(placeOf(instance), node.id)) this.#ask(node);
      }));
  }

  /** The loop of one node. */
  #beat(node: ModelNode): void {
    if (this.#isOver) return;
    const { clock, servers, record } = this.#parts;
    const watched = this.#watched.get(node)!;
    this.#ask(node);
    const known = record();
    const primary = servers.nodes.find(({ name }) => name === known?.primary);
    const isUrgent = known === null || known.phase === "moving" || primary === undefined ||
      this.#watched.get(primary)?.state.health !== "up" || watched.state.health === "suspect";
    clock.after((isUrgent ? 150 : 1_000) + servers.between(0, 20), () => this.#beat(node));
  }

  #ask(node: ModelNode): void {
    const watched = this.#watched.get(node)!;
    if (watched.isAsking || this.#isOver) return;
    const { instance, clock, servers, enter } = this.#parts;
    const { agenda } = servers;
    watched.isAsking = true;
    const askedMs = clock.nowMs();
    const serial = ++watched.serial;
    const heard = (outcome: Parameters<typeof afterOutcome>[1] | "time", answer: Answer | null) => {
      if (this.#isOver || (outcome !== "time" && watched.serial !== serial)) return;
      const nowMs = clock.nowMs();
      const before = watched.state;
      if (outcome === "time") watched.state = afterTime(before, { nowMs, ...LIMITS });
      else {
        watched.serial++;
        watched.isAsking = false;
        watched.state = afterOutcome(before, outcome, { askedMs, nowMs, ...LIMITS });
      }
      if (watched.state === before) return;
      if (answer !== null) watched.answer = answer;
      if (watched.state.health !== before.health) {
        this.#parts.tell(`  ${node.name} is ${watched.state.health}`);
        const dueMs = lapsesAtMs(watched.state, LIMITS);
        if (dueMs < Infinity) clock.after(dueMs - nowMs, () => heard("time", null));
      }
      const { state } = watched;
      this.#parts.heard(node, { name: node.name, state, answer: watched.answer });
    };
    const place = placeOf(instance);
    const isOpen = () => servers.isOpen(place, node.id);
    const timer = clock.after(QUERY_MS, () => heard({ kind: "silent", reason: "no answer" }, null));
    agenda.after(servers.latencyMs(place, node.id), () => {
      if (!isOpen() || node.process === "stopped") return;
      const outcome = node.process === "dead"
        ? { kind: "refused", reason: "connection refused" } as const
        : !node.isServing(agenda.nowMs)
        ? { kind: "starting", reason: "57P03" } as const
        : node.isDenied
        ? { kind: "denied", reason: "53300", lasting: false } as const
        : { kind: "answered", answer: null as never } as const;
      const answer = outcome.kind === "answered" ? answerOf(node, askedMs, agenda.nowMs) : null;
      agenda.after(servers.latencyMs(place, node.id), () => {
        if (!isOpen() || this.#isOver) return;
        enter(() => {
          timer.cancel();
          heard(outcome, answer);
        });
      });
    });
  }
}

function answerOf(node: ModelNode, askedMs: number, nowMs: number): Answer {
  const { synchronous, ...said } = node.said(askedMs, nowMs);
  return {
    ...said,
    sentMs: askedMs,
    latencyMs: 1,
    version: 180001,
    streaming: said.receiver !== null,
    slotsUsed: 0,
    slotsMax: 10,
    hasSchema: false,
    load: null,
    synchronousNames: synchronous === null ? "" : textOf(synchronous),
  };
}

function textOf({ method, k, names }: SynchronousNames): string {
  return `${method.toUpperCase()} ${k} (${names.join(", ")})`;
}
