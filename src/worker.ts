import type { Config } from "./config/mod.ts";
import type { ConsoleDoor, LoginParts } from "./login/mod.ts";

/** Everything that the connections of one worker share, handed to it by `app.ts`; several workers can run in one process. */
export interface Worker extends LoginParts {
  config: Config;
  channelBinding: Uint8Array | null;
  console: ConsoleDoor | null;
  draining: boolean;
}
