/**
 * Runs a share of the seeds, and posts what came of each; null at the end.
 *
 * @module
 */
import { run } from "./run.ts";

/** The scope of a worker, of which the library of types here knows nothing. */
const scope = self as unknown as {
  onmessage: (
    event: MessageEvent<{ readonly from: number; readonly to: number; readonly by: number }>,
  ) => void;
  postMessage(message: unknown): void;
};

scope.onmessage = ({ data: { from, to, by } }) => {
  for (let seed = from; seed < to; seed += by) scope.postMessage(run(seed));
  scope.postMessage(null);
};
