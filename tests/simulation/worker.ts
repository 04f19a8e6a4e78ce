/**
 * Runs a share of the seeds, and posts what came of each; null at the end.
 *
 * @module
 */
import { run } from "./run.ts";

/** The scope of a worker, of which the library of types here knows nothing. */
const scope = self as unknown as {
  onmessage: (
    event: MessageEvent<
      {
        readonly from: number;
        readonly to: number;
        readonly by: number;
        readonly instances: number | undefined;
      }
    >,
  ) => void;
  postMessage(message: unknown): void;
};

scope.onmessage = async ({ data: { from, to, by, instances } }) => {
  for (let seed = from; seed < to; seed += by) scope.postMessage(await run(seed, { instances }));
  scope.postMessage(null);
};
