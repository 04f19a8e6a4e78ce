import {
  type BinaryString,
  binaryString,
  customSettingsInParameters,
  sqlFingerprint,
} from "../protocol/mod.ts";
import { OPTION_NAMES } from "../config/mod.ts";
import { type Fingerprint, type Fingerprints, OPAQUE_FINGERPRINT } from "./fingerprints.ts";

/** Different statements of one lease that are told apart; behind them everything is suspect. */
const RAN_MAX = 64;

/** What ran in a lease, and whether it may have changed the session's state out of sight. Pure. */
export class StateWatch {
  readonly fingerprints: Fingerprints;
  /** Statements that ran since {@link begin}, each once in a row. */
  readonly ran: Fingerprint[] = [];
  // Both are made when they are needed: most sessions never do.
  /** Statements that did what no probe can see, each at its last run. */
  #unseen: Set<Fingerprint> | null = null;
  /** Names of prepared statements in the SQL that ran since {@link begin}. */
  #mentioned: Set<BinaryString> | null = null;
  #optionsMentioned = false;
  #hadError = false;
  #wasReset = false;
  #backslashes = false;

  constructor(fingerprints: Fingerprints) {
    this.fingerprints = fingerprints;
  }

  /** Whether an option of pgplex was SET or RESET since {@link begin}: what became of it must be looked at. */
  get optionsMentioned(): boolean {
    return this.#optionsMentioned;
  }

  /** Whether RESET or DISCARD ALL was done since {@link begin}. */
  get wasReset(): boolean {
    return this.#wasReset;
  }

  /** Whether a backslash escapes in every string: standard_conforming_strings is off for this session. */
  get backslashes(): boolean {
    return this.#backslashes;
  }

  /** A lease begins, or its state has just been looked at. */
  begin(): void {
    // One after the other: setting the length would cost a new array each time.
    while (this.ran.length > 0) this.ran.pop();
    this.#unseen = null;
    this.#mentioned = null;
    this.#optionsMentioned = this.#wasReset = this.#hadError = false;
  }

  /** What is known already of the complete text from `start` to `end`, or null. */
  known(bytes: Uint8Array, start: number, end: number): Fingerprint | null {
    return this.fingerprints.find(sqlFingerprint(bytes, start, end, this.#backslashes));
  }

  /** What is known of the complete text from `start` to `end`. */
  look(bytes: Uint8Array, start: number, end: number): Fingerprint {
    const hash = sqlFingerprint(bytes, start, end, this.#backslashes);
    const known = this.fingerprints.find(hash);
    if (known !== null && !known.traits.stateful) return known;
    const text = binaryString(bytes, start, end);
    const fingerprint = known ?? this.fingerprints.learn(hash, text, this.#backslashes);
    // Names of custom settings may be in the literals, which differ from run to run.
    // One that is new may read such a setting, which somebody out of sight may set.
    if (fingerprint.traits.stateful || known === null) this.fingerprints.noteText(text);
    if (fingerprint.traits.stateful) this.fingerprints.guessIn(text);
    return fingerprint;
  }

  /** A statement goes to the server. */
  runs(fingerprint: Fingerprint): void {
    const { ran } = this;
    if (fingerprint.unseen) {
      this.#unseen ??= new Set();
      this.#unseen.delete(fingerprint);
      this.#unseen.add(fingerprint);
    }
    if (fingerprint !== OPAQUE_FINGERPRINT) fingerprint.seen++;
    if (fingerprint.traits.reach.defines) this.fingerprints.catalogue.changes();
    if (ran.length > 0 && ran[ran.length - 1] === fingerprint) return;
    if (ran.length < RAN_MAX) ran.push(fingerprint);
    else ran[RAN_MAX - 1] = OPAQUE_FINGERPRINT;
    // Told apart or not, its names must be found by what comes later in the same transaction.
    for (const name of fingerprint.traits.statements) (this.#mentioned ??= new Set()).add(name);
  }

  /** An option of pgplex is SET or RESET. */
  mentionsOptions(): void {
    this.#optionsMentioned = true;
    this.fingerprints.noteSettings(OPTION_NAMES.map((name) => `pgplex.${name}`));
  }

  /** The server reported an error. */
  fails(): void {
    this.#hadError = true;
  }

  /** RESET or DISCARD ALL was done. */
  resets(): void {
    this.#wasReset = true;
  }

  /** Strings are read so from now on: see {@link backslashes}. */
  readBackslashes(escape: boolean): void {
    this.#backslashes = escape;
  }

  /** Something goes to the server of which nothing is known. */
  runsOpaque(): void {
    this.runs(OPAQUE_FINGERPRINT);
  }

  /** Parameters of a statement that calls set_config(), or what may call it: they may name custom settings. */
  lookAtParameters(bytes: Uint8Array, start: number, end: number): void {
    this.fingerprints.guessSettings(customSettingsInParameters(binaryString(bytes, start, end)));
  }

  /** Statements that ran since {@link begin} and did what no probe can see, each once, in the order of their last runs. */
  get unseen(): readonly Fingerprint[] {
    return this.#unseen === null ? [] : [...this.#unseen];
  }

  /** Whether what ran since {@link begin} may have been taken back: what it left says nothing of it. */
  get undone(): boolean {
    return this.#hadError || this.ran.some(({ traits }) => traits.rollsBack);
  }

  /** Whether nothing but BEGIN and its kin ran since {@link begin}. */
  get ranNothing(): boolean {
    return this.ran.every(({ traits }) => traits.neutral);
  }

  /** Whether SQL of this lease mentioned a prepared statement of this name. */
  mentions(name: BinaryString): boolean {
    return this.#mentioned !== null && this.#mentioned.has(name);
  }

  /**
   * Whether the server connection's state must be looked at before anybody relies on it: a boundary of a transaction is reached.
   *
   * @param sinceMs when the lease began, in clock milliseconds
   */
  suspicious(check: "learn" | "always" | "off", sinceMs: number): boolean {
    const { catalogue, readsSequences } = this.fingerprints;
    // What another transaction found meanwhile was not there yet.
    for (const { traits } of this.ran) if (traits.reach.defines) catalogue.changes();
    if (this.#optionsMentioned) return true;
    // Nobody else may get what a session listens to.
    if (check === "off") return this.ran.some(({ traits }) => traits.listens);
    for (const fingerprint of this.ran) {
      // Each is asked, as it counts its runs.
      const { neutral, sequences, reach } = fingerprint.traits;
      if (sequences === "advance" && readsSequences) return true;
      if (fingerprint.suspect(sinceMs) || (check === "always" && !neutral)) return true;
      if (!neutral && catalogue.reachedBy(reach, sinceMs)) return true;
    }
    return false;
  }
}
