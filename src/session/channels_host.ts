import { PgplexError } from "../kernel/mod.ts";
import type { ChannelsHost } from "../listen/mod.ts";
import type { Relay } from "../relay/mod.ts";
import type { Destination } from "../servers/mod.ts";
import type { Outbox } from "../transport/mod.ts";

/** What of a session its channels need. */
export interface ChanneledSession {
  readonly destination: Destination;
  readonly ending: boolean;
  settle(): void;
  end(error: PgplexError): void;
}

/** What the channels of a session need of it. */
export function channelsHostOf(
  session: ChanneledSession,
  { relay, out, pid }: { readonly relay: Relay; readonly out: Outbox; readonly pid: number },
): ChannelsHost {
  return {
    destination: session.destination,
    relay,
    out,
    pid,
    lookAgain: () => {
      if (session.ending || relay.server === null) return;
      relay.progress.checkBoundary();
      session.settle();
    },
    overflowed: () => {
      const text = "terminating connection because too many notifications wait for it";
      session.end(new PgplexError("notifications_overflow", text));
    },
    end: (error) => session.end(error),
  };
}
