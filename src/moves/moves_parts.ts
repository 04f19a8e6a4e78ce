import type { Coordination, Rules } from "../arbiter/mod.ts";
import type { Runtime } from "../backend/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import type { NodeAddress } from "../topology/mod.ts";
import type { Drain } from "./client_hold.ts";
import type { NodeRunner } from "./verb_runner.ts";

/** What executing moves needs of the process. */
export interface MovesParts {
  readonly runtime: Runtime;
  readonly log: Log;
  /** Where records are kept; opened when the first cluster begins. */
  readonly store: () => Promise<Coordination>;
  /** The id of this instance. */
  readonly instance: number;
  /** Whether a primary goes on without a permit while it shows itself that no other node was promoted. */
  readonly failsafe: () => boolean;
  /** The stance of a cluster is another one. */
  readonly changed: (cluster: string) => void;
  /** The clients of a cluster are held. Whether no transaction runs at `node` any more. */
  readonly drain: (cluster: string, node: string, how: Drain) => boolean;
  /** They are not held any more, or anew. */
  readonly release: (cluster: string) => void;
  /** For tests: what executes verbs at a node, in place of a {@link VerbRunner}. */
  readonly runnerOf?: (node: NodeAddress) => NodeRunner;
  /** For tests: what is left out. */
  readonly rules?: Rules;
}
