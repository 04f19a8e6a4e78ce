import { OPTION_NAMES } from "../config/mod.ts";
import { Placeholders } from "./placeholders.ts";
import { Suspicion } from "./suspicion.ts";
import { CatalogueWatch } from "./catalogue_watch.ts";
import type { SaidSettings } from "./said_settings.ts";
import {
  bindsName,
  customSettingsIn,
  doTraits,
  OPAQUE_TRAITS,
  SetsReading,
  type SqlTraits,
  sqlTraits,
} from "../protocol/mod.ts";

/** Clean probes after which a statement is trusted to change no session state. */
const CLEAN_PROBES_TO_TRUST = 3;

/** Of a trusted statement's runs one in so many is probed all the same. A power of two. */
const SAMPLE_EVERY = 1024;

/** But no more often than this: what runs thousands of times a second would be probed tens of times. */
const SAMPLE_PAUSE_MS = 500;

/** Statements remembered for one database; when there are more, learning starts again. */
const FINGERPRINTS_MAX = 20_000;

/** Statements that are found without a look into the table of all. A power of two. */
const RECENT_MAX = 256;

/** Custom settings asked for in each probe, at most. */
const CUSTOM_SETTINGS_MAX = 500;

/** pgplex's own options are asked for besides. */
const OPTION_SETTINGS: ReadonlySet<string> = new Set(OPTION_NAMES.map((name) => `pgplex.${name}`));
/** Names besides that only look like one, until a probe finds such a setting; the oldest go first. */
const GUESSED_SETTINGS_MAX = 100;

/** What is known of all statements that look alike. */
export class Fingerprint {
  readonly traits: SqlTraits;
  /** What the text that was read last says of settings; null where none was read, or it need not be read. */
  said: SaidSettings | null = null;
  /** Probes in a row that found no change after it ran. */
  clean = 0;
  /** A probe found a change after it ran: it is probed each time. */
  dirty = false;
  runs = 0;
  /** When a run was chosen as a sample last, in clock milliseconds. */
  #sampledMs = -Infinity;
  /** By its words it does what no probe can see. */
  readonly unseen: boolean;
  /** By its words nothing is to be done before it, and nothing but {@link suspicion} behind it. */
  readonly plain: boolean;
  /** By its words it may do more than read; what its functions do is not in its words. */
  readonly writes: boolean;
  /** Its parameters may name what it sets. */
  readonly setsByParameter: boolean;
  /** How often it ran, as one of several in a row once; for the console. */
  seen = 0;
  /** Probes after it ran, and those that found a change; for the console. */
  probes = 0;
  hits = 0;

  /** @param bindsName a set_config() in it has its name from a parameter */
  constructor(traits: SqlTraits, bindsName = false) {
    this.traits = traits;
    this.setsByParameter = traits.setsByFunction || bindsName;
    this.unseen = traits.sticky.length > 0 || traits.calls.length > 0 || traits.sequences !== null ||
      traits.altersDefaults;
    // SELECT … INTO makes a table.
    this.writes = traits.reach.writes || traits.sequences === "advance" || /\binto\b/i.test(traits.text);
    this.plain = !this.unseen && !traits.neutral && traits.control === 0 && !traits.stateful &&
      !traits.setsByFunction && !traits.namesSettings && traits.setsReading === SetsReading.No &&
      !traits.makesTempSchema && !traits.resetsName && !traits.listsStatements && !traits.reach.defines &&
      traits.statements.length === 0;
  }

  /** Whether it names no custom setting but by a literal with a point in it. */
  get namesNone(): boolean {
    return !this.traits.setsByFunction && this.traits.sets.length === 0;
  }

  /** Such a text where servers may read it otherwise than it is read here: it may do anything, and this besides. */
  misread(): Fingerprint {
    const traits = { ...this.traits, neutral: false, stateful: true, anything: true, misread: true };
    return new Fingerprint(traits, this.setsByParameter);
  }

  /** What is known of it by itself; `neutral` is BEGIN and its kin. */
  get state(): "neutral" | "learning" | "trusted" | "stateful" {
    if (this.traits.neutral) return "neutral";
    if (this.traits.stateful || this.dirty) return "stateful";
    return this.clean < CLEAN_PROBES_TO_TRUST ? "learning" : "trusted";
  }

  /** What may have become of session state in this run, of a lease that began at `nowMs`. */
  suspicion(nowMs: number): Suspicion {
    const { neutral, stateful, anything } = this.traits;
    if (neutral) return Suspicion.None;
    if (anything || this.dirty) return Suspicion.Anything;
    if (stateful) return Suspicion.State;
    if (this.clean < CLEAN_PROBES_TO_TRUST) return Suspicion.Learn;
    if ((++this.runs & (SAMPLE_EVERY - 1)) !== 0 || nowMs - this.#sampledMs < SAMPLE_PAUSE_MS) {
      return Suspicion.None;
    }
    this.#sampledMs = nowMs;
    return Suspicion.Learn;
  }
}

/** A statement too long to be looked at: probed each time. */
export const OPAQUE_FINGERPRINT: Fingerprint = Object.freeze(new Fingerprint(OPAQUE_TRAITS)) as Fingerprint;

/** What the statements of one database are known to do, and the custom settings that they may set. */
export class Fingerprints {
  readonly #known = new Map<number, Fingerprint>();
  /** Some of them, by the last bits of their hashes: a table whose keys do not fit 31 bits is slow to look into. */
  readonly #recent: (Fingerprint | null)[] = new Array(RECENT_MAX).fill(null);
  readonly #recentHashes = new Float64Array(RECENT_MAX);
  readonly #customSettings = new Set<string>();
  /** Those that the database's routines name. No statement says so again: those of statements do not push them out. */
  readonly #ofRoutines = new Set<string>();
  readonly #guessed = new Set<string>();
  /** The custom settings as one array, made again when it is asked for behind a change. */
  #customList: readonly string[] | null = null;
  /** Which custom settings take any text. */
  readonly placeholders = new Placeholders();
  /** A statement or a routine of the database reads what a session remembers of sequences. */
  readsSequences = false;
  /** What of the database's routines runs without being called by name. */
  readonly catalogue = new CatalogueWatch();
  probes = 0;
  /** Probes that found a change. */
  changes = 0;

  /** What is known of the statements with this fingerprint, or null. */
  find(hash: number): Fingerprint | null {
    const place = hash & (RECENT_MAX - 1);
    if (this.#recentHashes[place] === hash) return this.#recent[place]!;
    const known = this.#known.get(hash);
    if (known === undefined) return null;
    this.#recent[place] = known;
    this.#recentHashes[place] = hash;
    return known;
  }

  /** Begins to know a statement; `backslashes` escape in all its strings. */
  learn(hash: number, text: string, backslashes = false): Fingerprint {
    return this.#add(hash, sqlTraits(text, backslashes), bindsName(text));
  }

  /** {@link learn} of a DO, whose `hash` is that of all its text; `generic` is what is known of any that looks like it. */
  learnDo(hash: number, text: string, generic: Fingerprint, backslashes = false): Fingerprint {
    return this.#add(hash, doTraits(text, generic.traits, backslashes));
  }

  #add(hash: number, traits: SqlTraits, bindsName = false): Fingerprint {
    if (this.#known.size >= FINGERPRINTS_MAX) this.#forgetAll();
    const fingerprint = new Fingerprint(traits, bindsName);
    if (traits.sequences === "read") this.readsSequences = true;
    this.catalogue.calls(traits.calls);
    this.#known.set(hash, fingerprint);
    return fingerprint;
  }

  #forgetAll(): void {
    this.#known.clear();
    this.#recent.fill(null);
    this.#recentHashes.fill(0);
  }

  /** Takes note of the custom settings that a text may set. */
  noteSettings(names: Iterable<string>): void {
    this.#note(names, this.#customSettings);
  }

  #note(names: Iterable<string>, to: Set<string>): void {
    for (const name of names) {
      if (this.#customSettings.has(name) || this.#ofRoutines.has(name)) continue;
      if (to.size >= CUSTOM_SETTINGS_MAX) forgetOldest(to);
      to.add(name);
      this.#guessed.delete(name);
      this.#customList = null;
    }
  }

  /** Takes note of what may be names of custom settings. Those that are must be {@link foundSettings} before others come. */
  guessSettings(names: Iterable<string>): void {
    for (const name of names) {
      if (this.#customSettings.has(name) || this.#ofRoutines.has(name) || this.#guessed.has(name)) continue;
      this.#guessed.add(name);
      if (this.#guessed.size > GUESSED_SETTINGS_MAX) {
        for (const oldest of this.#guessed) {
          this.#guessed.delete(oldest);
          break;
        }
      }
      this.#customList = null;
    }
  }

  /** A probe found these set: they are no guess, whether or not it is still kept. */
  foundSettings(names: Iterable<string>): void {
    for (const name of names) if (name.includes(".")) this.noteSettings([name]);
  }

  /** {@link noteSettings} of a routine's text. */
  noteText(text: string): void {
    this.#note(customSettingsIn(text), this.#ofRoutines);
  }

  /** Names of custom settings to ask for. */
  get customSettings(): readonly string[] {
    return this.#customList ??= [...this.#customSettings, ...this.#ofRoutines, ...this.#guessed];
  }

  /** A probe looked at what these statements left; `undone`: some of them may have failed, or been rolled back. */
  probed(ran: readonly Fingerprint[], changed: boolean, undone = false): void {
    this.probes++;
    if (changed) this.changes++;
    // What one of them did by its words says nothing of the others.
    const explained = changed && ran.some(({ traits }) => traits.stateful || traits.unlocks);
    for (const fingerprint of ran) {
      if (fingerprint === OPAQUE_FINGERPRINT) continue;
      fingerprint.probes++;
      if (changed) fingerprint.hits++;
      const { neutral, stateful } = fingerprint.traits;
      if (neutral || stateful || explained) continue;
      if (changed) fingerprint.dirty = true;
      else if (!undone) fingerprint.clean++;
    }
  }

  /** The {@link Fingerprint.state} of a statement in this database; `exposed` to a routine that it reaches, not trusted. */
  stateOf({ state, traits }: Fingerprint): Fingerprint["state"] | "exposed" {
    const { hidden } = this.catalogue;
    if (state !== "neutral" && hidden.mayChange(traits.calls)) return "stateful";
    return state === "trusted" && hidden.reachedBy(traits.reach) ? "exposed" : state;
  }

  /** Whether it may change what the database's routines are, or who calls them. */
  mayDefine({ traits }: Fingerprint): boolean {
    return traits.reach.defines ||
      (traits.callsProcedure && this.catalogue.hidden.mayChange(traits.calls));
  }

  /** Whether these may reach, without calling it by name, what leaves something that no look finds and nothing takes back. */
  stain(ran: readonly Fingerprint[], sinceMs: number): boolean {
    return ran.some(({ traits }) => this.catalogue.stainedBy(traits, sinceMs));
  }

  /** Whether these may have had routines planned by settings that held for a while, out of sight: by one that they call, or reach. */
  mixPlans(ran: readonly Fingerprint[]): boolean {
    const { hidden } = this.catalogue;
    return hidden.mixesAny && ran.some(({ traits }) => hidden.mixesPlans(traits));
  }

  /** What a session may have changed by running it. `sinceMs`: when its transaction began. */
  suspicionOf(
    fingerprint: Fingerprint,
    check: "learn" | "always" | "off",
    sinceMs: number,
    isPinned: boolean,
  ): Suspicion {
    const { traits } = fingerprint;
    // Nobody else may get what a session listens to.
    if (check === "off") return traits.listens === null ? Suspicion.None : Suspicion.State;
    if (traits.neutral) return Suspicion.None;
    if (check === "always") return Suspicion.Anything;
    const { catalogue, readsSequences } = this;
    const suspicion = fingerprint.suspicion(sinceMs);
    if (
      suspicion === Suspicion.Anything || catalogue.mayChange(traits.calls, sinceMs) ||
      catalogue.reachedBy(traits.reach, sinceMs)
    ) {
      return Suspicion.Anything;
    }
    const isTold = (traits.sequences === "advance" && readsSequences) || (traits.unlocks && isPinned);
    return isTold && suspicion < Suspicion.State ? Suspicion.State : suspicion;
  }

  /** How many statements are known. */
  get size(): number {
    return this.#known.size;
  }

  /** All that is known, with the hash of each text, for the console. */
  all(): Iterable<[number, Fingerprint]> {
    return this.#known;
  }
}

/** Whoever has set it has it asked for besides. */
function forgetOldest(settings: Set<string>): void {
  for (const name of settings) {
    if (OPTION_SETTINGS.has(name)) continue;
    settings.delete(name);
    return;
  }
}
