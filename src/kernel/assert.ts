/** A broken invariant: a defect of pgplex itself, never the fault of a peer. */
export class AssertionFailure extends Error {
  override name = "AssertionFailure";
}

/** Throws {@link AssertionFailure} unless `condition` holds. For invariants only: bad input from a peer is an error value. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new AssertionFailure(what);
}

/** Ends an exhaustive `switch`: the compiler refuses the call while a case is missing. */
export function assertNever(value: never): never {
  throw new AssertionFailure(`Unexpected value: ${JSON.stringify(value)}`);
}
