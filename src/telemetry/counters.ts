import { WorkHistograms } from "./histogram.ts";

/** Totals of one pool since start. Times in milliseconds with fractions. */
export class PoolCounters {
  /** Those of its cluster. */
  readonly histograms: WorkHistograms;
  /** Leases: in transaction pooling one for each transaction, but for pinned sessions. */
  leases = 0;
  /** ReadyForQuery that said that no transaction is open: transactions, also those of a single statement. */
  xacts = 0;
  /** ReadyForQuery answered: simple queries and extended batches. */
  queries = 0;
  bytesFromClients = 0;
  bytesToClients = 0;
  /** Time during which a server connection was leased. */
  leaseMs = 0;
  /** Time during which transactions ran, idle inside them or not. */
  xactMs = 0;
  /** Time during which a server owed a reply. */
  queryMs = 0;
  /** Time that sessions waited for a server connection. */
  waitMs = 0;
  /** Leases that began with other settings than the session's. */
  restores = 0;
  /** Server connections opened, and those that ended while leased. */
  opened = 0;
  lost = 0;
  logins = 0;
  /** Parse messages of clients, those sent to servers, and Bind messages of clients. */
  clientParses = 0;
  serverParses = 0;
  binds = 0;

  constructor(histograms = new WorkHistograms()) {
    this.histograms = histograms;
  }
}

/** Totals of one worker since start. */
export class WorkerCounters {
  accepted = 0;
  /** Connections that have not logged in yet: not a total. */
  loggingIn = 0;
  /** Connections that ended before they logged in. */
  loginFailures = 0;
  sessionsOpened = 0;
  /** Sessions whose client has left, or was sent away: they may still give their server connections back. */
  sessionsLeft = 0;
  sessionsClosed = 0;
  cancels = 0;
  protocolViolations = 0;
  /** Clients that were sent away as their server was lost in the middle of a message to them. */
  repliesCut = 0;
  /** Commands that clients of the console began. */
  consoleCommands = 0;
}
