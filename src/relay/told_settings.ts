import { NODE_FACT, type ServerConnection, type Settings } from "../backend/mod.ts";
import { type BinaryString, encodeParameterStatus } from "../protocol/mod.ts";
import type { Outbox } from "../transport/mod.ts";
import { serverApplicationName } from "../options/mod.ts";
import type { Relay } from "./relay.ts";

const NAME = "application_name";

/** What servers of all versions report, and clients hear of without a word to anybody. */
const REPEATED = "client_encoding";

/** What a look at a server connection found of its settings. */
export interface FoundSettings {
  readonly settings: Settings;
  /** application_name was SET, rather than RESET or left alone. */
  readonly nameIsSet: boolean;
}

/**
 * What a client was last told of its session's settings: what it expects of a server connection, and by ParameterStatus hears
 * changes of. application_name is kept apart, as connections are not opened with the client's: where the server goes back to its
 * own, the client's is meant.
 */
export class ToldSettings {
  #current: Settings | null = null;
  #atLogin: Settings | null = null;
  readonly #relay: Relay;
  readonly #out: Outbox;
  /** The application_name of the client's startup packet as it stood there, in transaction pooling. */
  readonly #givenName: BinaryString | null;
  /** The state with which the lease began, or that the last probe found. */
  #before: Settings | null = null;
  /** What it was told before the transaction at hand changed something; null: it has not. */
  #atBoundary: Settings | null = null;
  /** What it had before it SET, since the last boundary, what servers may not take; null: it has not. */
  #untried: Settings | null = null;
  /** The SET behind it was done by a server. */
  #tried = false;
  /** What it was told of `in_hot_standby`, which is a fact of the node that serves it. */
  #hotStandby: BinaryString | undefined;
  /** The server said something of application_name since the state was last looked at. */
  #nameReported = false;

  constructor(relay: Relay, out: Outbox, givenName: BinaryString | null) {
    this.#relay = relay;
    this.#out = out;
    this.#givenName = givenName;
  }

  /** Null until the client is greeted. */
  get current(): Settings | null {
    return this.#current;
  }

  set current(settings: Settings | null) {
    if (settings === this.#current) return;
    this.#current = settings;
    if (settings !== null) this.#relay.encoding.follow(settings.values);
  }

  /** The session has SET this, of which no server has heard yet. */
  wasSet(name: string, value: BinaryString): void {
    const settings = this.#current!.with(name, value);
    const { wereSet } = settings;
    if (this.#tried) this.#untried = null;
    this.#untried ??= this.#current;
    this.#tried = false;
    const isKnown = wereSet.has(name) || !this.#atLogin!.values.has(name);
    this.current = isKnown ? settings : settings.marked(new Set([...wereSet, name]));
  }

  /** What the greeting said; null before it. */
  get atLogin(): Settings | null {
    return this.#atLogin;
  }

  /** The application_name with which the client logged in, as servers take it; null where it gave none, or is not greeted yet. */
  get loginName(): BinaryString | null {
    return this.#relay.loginName.name;
  }

  /** The settings of the greeting. */
  greet(settings: Settings): Settings {
    this.#hotStandby = settings.hotStandby;
    if (this.#givenName === null) {
      // Server connections may be opened with somebody else's.
      const { applicationName } = settings;
      if (this.#relay.renames && applicationName !== undefined) {
        this.#relay.loginName.greeted(applicationName);
      }
      return this.current = this.#atLogin = settings;
    }
    const name = serverApplicationName(this.#givenName, settings);
    this.#relay.loginName.greeted(name);
    return this.current = this.#atLogin = settings.with(NAME, name);
  }

  /** Says what the client knows already, where nothing else is being said. */
  repeat(): void {
    const value = this.current?.values.get(REPEATED);
    if (value !== undefined && !this.#relay.progress.midReply) {
      this.#out.put(encodeParameterStatus(REPEATED, value));
    }
  }

  /** What still differs after a restore is the server's truth, and news to the client. */
  leaseBegins(server: ServerConnection): void {
    this.#nameReported = false;
    const { current } = this;
    const { hotStandby } = server.reported;
    if (hotStandby !== this.#hotStandby && hotStandby !== undefined && current !== null) {
      this.#hotStandby = hotStandby;
      this.#out.put(encodeParameterStatus(NODE_FACT, hotStandby));
    }
    if (current !== null && current !== server.settings) {
      for (const name of current.namesThatDiffer(server.settings)) {
        this.#tell(name, server.reported.values.get(name), current);
      }
      this.current = server.settings;
    }
    this.#before = this.current;
  }

  /** A setting that is reported has this value, and not the one of `known`. */
  #tell(name: string, value: BinaryString | undefined, known: Settings): void {
    if (value !== undefined && value !== known.values.get(name)) {
      this.#out.put(encodeParameterStatus(name, value));
    }
  }

  /**
   * Some of what was wanted could not be had: what `server` has holds from now on, but for what {@link loses} keeps.
   *
   * @returns the names that are kept
   */
  lost(server: ServerConnection, names: readonly string[]): string[] {
    const { current } = this;
    if (current === null) return [];
    for (const name of current.namesThatDiffer(server.settings)) {
      this.#tell(name, server.reported.values.get(name), current);
    }
    const kept = names.filter((name) => this.#beforeSet(name) !== undefined);
    let settings = server.settings;
    for (const name of kept) settings = settings.with(name, this.#beforeSet(name)!);
    this.#untried = null;
    this.current = settings;
    return kept;
  }

  /** No server takes the session's `name`: it has what that was before the last SET of which no server knew. Whether there is such a value. */
  loses(name: string): boolean {
    const before = this.#beforeSet(name);
    const { current } = this;
    this.#untried = null;
    if (current !== null) {
      this.current = before === undefined ? current.without(name) : current.with(name, before);
    }
    return before !== undefined;
  }

  #beforeSet(name: string): BinaryString | undefined {
    const before = this.#untried?.values.get(name);
    return before === this.#current?.values.get(name) ? undefined : before;
  }

  /** The server reported a setting. Whether the client is told. */
  reported(server: ServerConnection, name: BinaryString, value: BinaryString): boolean {
    if (name === NODE_FACT) this.#hotStandby = value;
    if (name === "standard_conforming_strings") this.#relay.watch.readBackslashes(value === "off");
    const { loginName } = this;
    if (name === NAME && loginName !== null) return this.#nameIs(server, value, loginName);
    this.#isNow(server, name, value);
    return true;
  }

  /** A boundary is reached: what was set holds. */
  transactionEnds(): void {
    this.#atBoundary = this.#untried = null;
  }

  /** The transaction is lost: what it set does not hold, and the client hears so. */
  transactionLost(): void {
    const [now, before] = [this.current, this.#atBoundary];
    this.#atBoundary = null;
    if (now === null || before === null) return;
    for (const name of now.namesThatDiffer(before)) {
      const value = before.values.get(name);
      if (value !== undefined && value !== now.values.get(name)) {
        this.#relay.client.put(encodeParameterStatus(name, value));
      }
    }
    this.current = before;
    this.#relay.watch.readBackslashes(before.values.get("standard_conforming_strings") === "off");
  }

  /** Whether application_name was reset, or SET to what that looks like: only the server can tell. */
  nameDoubtful(server: ServerConnection): boolean {
    const name = this.current?.applicationName;
    return name !== this.loginName && this.loginName !== null && this.#nameMayBeReset &&
      name === server.identity.parameters.applicationName;
  }

  /** A probe has read the state of `server`. Whether it is as before what ran since. */
  found(server: ServerConnection, found: FoundSettings): boolean {
    const before = this.#before;
    const same = before !== null && found.settings.equals(before);
    server.state.found(same ? before : found.settings, found.nameIsSet);
    // After RESET the application_name of the startup packet holds again, which the connection was not opened with.
    const name = this.#nameMayBeReset && !found.nameIsSet ? this.loginName : null;
    if (name !== null && this.current!.applicationName !== name) {
      this.#relay.client.put(encodeParameterStatus(NAME, name));
      void this.#out.flush();
    }
    this.current = name === null ? server.settings : server.settings.with(NAME, name);
    return same;
  }

  /** Custom settings were set, as their statements say: `server` and the session have them from now on. */
  assigned(server: ServerConnection, values: ReadonlyMap<string, BinaryString>): void {
    // One server has taken it: another one, which has loaded a library since, may not.
    this.#untried = this.#current;
    this.#tried = true;
    let { settings } = server.state;
    // One that is empty is as good as none.
    for (const [name, value] of values) {
      settings = value === "" ? settings.without(name) : settings.with(name, value);
    }
    server.state.found(settings, server.state.nameIsSet);
    this.current = settings;
  }

  get #nameMayBeReset(): boolean {
    return this.#nameReported || this.#relay.watch.ran.some(({ traits }) => traits.resetsName);
  }

  #nameIs(server: ServerConnection, value: BinaryString, given: BinaryString): boolean {
    const relay = this.#relay;
    this.#nameReported = true;
    const isReset = value === server.identity.parameters.applicationName;
    if (isReset && value !== given) relay.loginName.wasReset();
    const now = isReset && relay.watch.ran.at(-1)?.traits.resetsName ? given : value;
    const old = this.current!.applicationName;
    if (now === old && (now !== value || relay.loginName.restored)) return false;
    this.#isNow(server, NAME, now);
    if (now === value) return true;
    relay.client.put(encodeParameterStatus(NAME, now));
    return false;
  }

  #isNow(server: ServerConnection, name: BinaryString, value: BinaryString): void {
    this.#atBoundary ??= this.current;
    const after = this.current!.with(name, value);
    // One object for both, where they agree: the next lease compares two references.
    this.current = after.equals(server.settings) ? server.settings : after;
  }
}
