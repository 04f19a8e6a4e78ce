import type { ServerConnection } from "../backend/mod.ts";
import type { SqlTraits } from "../protocol/mod.ts";

/** What a session's channels do before a statement goes to the server; {@link "../listen/session_channels.ts"}. */
export interface ChannelLender {
  /** Whether internal messages go before a statement with these traits. */
  wants(traits: SqlTraits): boolean;
  /** A statement with these traits goes to the server next. */
  before(server: ServerConnection, traits: SqlTraits, simple: boolean): void;
  /** A batch ends with the next message. */
  beforeSync(server: ServerConnection): void;
  /** DISCARD ALL went through. */
  discarded(): void;
}
