/** What {@link Poller} needs of the runtime's event loop. */
export interface EventLoop {
  /** Runs what was set in motion, microtasks and ticks, until nothing of it is left. Not within a microtask. */
  settle(): void;
  /** Callbacks that wait for setImmediate's turn. */
  immediates(): number;
}

interface RuntimeCore {
  runNextTicks(): void;
  getActiveImmediateCount(): number;
}

/**
 * The runtime's own, which has no public interface: what lies under node:process and node:timers. Null where a release has
 * it no more.
 */
export function runtimeEventLoop(): EventLoop | null {
  const { internal } = Deno as unknown as { internal?: symbol };
  if (internal === undefined) return null;
  const core = (Deno as unknown as Record<symbol, { core?: Partial<RuntimeCore> } | undefined>)[internal]
    ?.core;
  if (typeof core?.runNextTicks !== "function" || typeof core.getActiveImmediateCount !== "function") {
    return null;
  }
  const { runNextTicks, getActiveImmediateCount } = core;
  return { settle: () => runNextTicks(), immediates: () => getActiveImmediateCount() };
}
