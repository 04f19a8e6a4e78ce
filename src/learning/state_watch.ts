import {
  type BinaryString,
  binaryString,
  ClientEncoding,
  controlBehind,
  customSettingsInParameters,
  holdsByte,
  holdsOdd,
  LongText,
  lowerCase,
  putBinary,
  SettingNames,
  sqlFingerprint,
  textHash,
} from "../protocol/mod.ts";
import { OPTION_NAMES } from "../config/mod.ts";
import { NamedSettings } from "./named_settings.ts";
import { Suspicion } from "./suspicion.ts";
import { headOf, type LongReader } from "./long_head.ts";
import { SaidSettings } from "./said_settings.ts";
import { type Fingerprint, type Fingerprints, OPAQUE_FINGERPRINT } from "./fingerprints.ts";

/** Different statements of one lease that are told apart; behind them everything is suspect. */
const RAN_MAX = 64;

/** Names of settings noted for one session between two looks, at most. */
const NOTED_MAX = 10_000;

/** What ran in a lease, and whether it may have changed the session's state out of sight. Pure. */
export class StateWatch {
  readonly fingerprints: Fingerprints;
  readonly #encoding: ClientEncoding;
  /** Statements that ran since {@link begin}, each once in a row; behind {@link judge} those that are suspicious, each once. */
  readonly ran: Fingerprint[] = [];
  /** So many at the beginning of {@link ran} were judged. */
  #judged = 0;
  #suspicion: Suspicion = Suspicion.None;
  // Both are made when they are needed: most sessions never do.
  /** Statements that did what no probe can see, each at its last run. */
  #unseen: Set<Fingerprint> | null = null;
  /** Names of prepared statements in the SQL that ran since {@link begin}. */
  #mentioned: Set<BinaryString> | null = null;
  /** Names of settings in the SQL that ran since {@link begin}. */
  #settings: Set<string> | null = null;
  /** Custom settings that were set since {@link begin} by what tells the value, with it. */
  #assigned: Map<string, BinaryString> | null = null;
  /** A text since {@link begin} sets by a function what has a name that nobody reads. */
  #strange = false;
  /** Something was set since {@link begin} of which no text tells the value. */
  #untold = false;
  readonly named = new NamedSettings();
  /** The value in the text that was looked at last. */
  #value: BinaryString | null = null;
  #optionsMentioned = false;
  #hadError = false;
  #rolledBack = false;
  #wasReset = false;
  #backslashes = false;
  #control = 0;
  /** The same in front of the statement that went last. */
  #controlBefore = 0;
  #wrote = false;
  #ranAny = false;
  #madeTempSchema = false;

  /** @param encoding in which texts name things; names are kept as the server keeps them */
  constructor(fingerprints: Fingerprints, encoding: ClientEncoding = new ClientEncoding()) {
    this.fingerprints = fingerprints;
    this.#encoding = encoding;
  }

  /** Whether an option of pgplex was SET or RESET since {@link begin}: what became of it must be looked at. */
  get optionsMentioned(): boolean {
    return this.#optionsMentioned;
  }

  /** Whether anything ran since {@link begin}: a COMMIT too, which may be one of a prepared transaction. */
  get ranAny(): boolean {
    return this.#ranAny;
  }

  /** Whether something ran since {@link begin} that does more than read, by its words. */
  get wrote(): boolean {
    return this.#wrote;
  }

  /** Whether the backend may have made its temporary schema since {@link begin}, for a table that went with its transaction. */
  get madeTempSchema(): boolean {
    return this.#madeTempSchema;
  }

  /** Whether RESET or DISCARD ALL was done since {@link begin}. */
  get wasReset(): boolean {
    return this.#wasReset;
  }

  /** Whether a backslash escapes in every string: standard_conforming_strings is off for this session. */
  get backslashes(): boolean {
    return this.#backslashes;
  }

  /** What was done to transactions since the last boundary, or is on its way: a sum of `Control`. */
  get control(): number {
    return this.#control;
  }

  /** What the statement that ran last does to its transaction, by itself: a sum of `Control`. */
  get lastControl(): number {
    return this.ran.at(-1)?.traits.control ?? 0;
  }

  /** A statement goes to the server that does `control`, a sum of `Control`, to its transaction. */
  controls(control: number): void {
    this.#controlBefore = this.#control;
    this.#control = controlBehind(this.#control, control);
  }

  /** A boundary is reached: no transaction is open. */
  transactionEnds(): void {
    this.#control = 0;
  }

  /** Whether something ran since the last boundary. */
  get running(): boolean {
    return this.ran.length > this.#judged;
  }

  /** A lease begins, or its state has just been looked at. */
  begin(): void {
    // One after the other: setting the length would cost a new array each time.
    while (this.ran.length > 0) this.ran.pop();
    this.#unseen = null;
    this.#mentioned = null;
    this.#settings = this.#assigned = null;
    this.#untold = this.#strange = false;
    this.named.begin();
    this.#judged = this.#control = 0;
    this.#suspicion = Suspicion.None;
    this.#optionsMentioned =
      this.#wasReset =
      this.#hadError =
      this.#rolledBack =
      this.#wrote =
      this.#ranAny =
      this.#madeTempSchema =
        false;
  }

  /**
   * What the session's settings are, where all that is suspicious since {@link begin} tells it by its words: custom settings with
   * their values. Null where a server must be asked.
   */
  get assigned(): ReadonlyMap<string, BinaryString> | null {
    if (this.#assigned === null || this.#untold || this.undone || this.#optionsMentioned) return null;
    if (this.#suspicion > Suspicion.State) return null;
    return this.ran.every(({ traits }) => traits.assigns !== null) ? this.#assigned : null;
  }

  /** What {@link judge} has found since {@link begin}. */
  get suspicion(): Suspicion {
    return this.#suspicion;
  }

  /** Whether state may be lost where nobody looks any more; but for channels, which are another matter. */
  get loses(): boolean {
    const { hidden } = this.fingerprints.catalogue;
    return this.#suspicion > Suspicion.Learn &&
      this.ran.some(({ traits, dirty }) =>
        traits.listens === null &&
        (traits.stateful || dirty || hidden.mayChange(traits.calls) || hidden.reachedBy(traits.reach))
      );
  }

  /** Whether what ran in a transaction may have left what its ROLLBACK does not take back. */
  get outlasts(): boolean {
    const { hidden } = this.fingerprints.catalogue;
    return this.ran.some(({ traits }) => traits.outlasts || hidden.mayChange(traits.calls));
  }

  /** Names of custom settings in texts that ran since {@link begin}. */
  get settings(): ReadonlySet<string> {
    return this.#settings ?? NONE;
  }

  /** Whether what became of this transaction must be known before the session goes on, or another one begins. */
  get urgent(): boolean {
    return this.#optionsMentioned ||
      this.ran.some(({ traits }) => traits.listens === "listen" || traits.altersDefaults);
  }

  /** What is known already of the complete text from `start` to `end`, or null. */
  known(bytes: Uint8Array, start: number, end: number): Fingerprint | null {
    const known = this.fingerprints.find(sqlFingerprint(bytes, start, end, this.#backslashes));
    return this.#exact(known, bytes, start, end);
  }

  /** What is known of the complete text from `start` to `end`. */
  look(bytes: Uint8Array, start: number, end: number): Fingerprint {
    const unsure = this.readsUnsurely && holdsOdd(bytes, start, end);
    const fingerprint = this.#look(bytes, start, end);
    const { calls } = fingerprint.traits;
    return unsure || (calls.length > 0 && this.#encoding.mayMisname(calls))
      ? fingerprint.misread()
      : fingerprint;
  }

  #look(bytes: Uint8Array, start: number, end: number): Fingerprint {
    this.named.tempBuffers = false;
    const hash = sqlFingerprint(bytes, start, end, this.#backslashes);
    const found = this.fingerprints.find(hash);
    if (found !== null && found.plain) return found;
    const known = this.#exact(found, bytes, start, end);
    if (known !== null && !this.#mayName(known)) return known;
    // Without a point no literal names a custom setting.
    if (known !== null && known.namesNone && !holdsByte(bytes, start, end, 0x2e)) return known;
    const before = known?.said ?? null;
    if (before !== null && before.holdsFor(bytes, start, end)) {
      this.#hears(before, bytes, start, end);
      return known!;
    }
    const text = binaryString(bytes, start, end);
    const fingerprint = known ?? this.#learn(hash, text, bytes, start, end);
    const reading = { isKnown: known !== null, mayName: this.#mayName(fingerprint) };
    const said = new SaidSettings(text, bytes, start, end, fingerprint.traits, reading);
    if (known !== null) known.said = said;
    this.#hears(said, bytes, start, end, text);
    return fingerprint;
  }

  /** The text from `start` to `end` says this. */
  #hears(said: SaidSettings, bytes: Uint8Array, start: number, end: number, text?: BinaryString): void {
    this.#value = said.valueIn(bytes, start, end);
    // Names of the server's own settings may be what texts of one shape differ in.
    if (this.#value === null) this.named.text(text ?? binaryString(bytes, start, end));
    if (said.strange) this.#strange = true;
    if (said.settings.length > 0) {
      this.noteSettings(said.settings);
      if (said.settings.some((name) => name.startsWith("pgplex."))) this.#optionsMentioned = true;
    }
    if (said.guessed.length > 0) this.#guessSettings(said.guessed);
  }

  /** What the beginning of a text says that does not lie in the buffer: it may do anything, and this besides. */
  lookAtHead(bytes: Uint8Array, start: number, end: number): Fingerprint {
    return headOf(bytes, start, end, this.#backslashes);
  }

  /** Reads a text that does not lie in the buffer, as it passes: `done` hears what it turned out to be. */
  readLong(done: (fingerprint: Fingerprint, hash: number) => void): LongReader {
    const text = new LongText(this.#backslashes);
    const names = new SettingNames("text");
    return {
      read: (bytes, start, end) => {
        // A text ends with NUL, and what stands behind it in a Parse is none.
        const nul = bytes.indexOf(0, start);
        text.read(bytes, start, nul < 0 || nul > end ? end : nul);
        names.read(bytes, start, end);
      },
      ends: () =>
        this.#read(text, (fingerprint, hash) => {
          this.#guessSettings(this.#mayName(fingerprint) ? names.withLiterals : names.names);
          done(fingerprint, hash);
        }),
    };
  }

  /** Reads parameters that do not lie in the buffer, as they pass. */
  readParameters(): LongReader {
    const names = new SettingNames("parameters");
    return {
      read: (bytes, start, end) => names.read(bytes, start, end),
      ends: () => this.#guessSettings(names.names),
    };
  }

  #read(text: LongText, done: (fingerprint: Fingerprint, hash: number) => void): void {
    const { reduced } = text;
    if (reduced === null || this.readsUnsurely) return done(OPAQUE_FINGERPRINT, 0);
    const bytes = new Uint8Array(reduced.length);
    putBinary(bytes, 0, reduced);
    const hash = sqlFingerprint(bytes, 0, bytes.length, this.#backslashes);
    const generic = this.fingerprints.find(hash) ?? this.fingerprints.learn(hash, reduced, this.#backslashes);
    if (!generic.traits.hasBody) done(generic, hash);
    else if (text.cut) done(OPAQUE_FINGERPRINT, 0);
    else done(this.look(bytes, 0, bytes.length), hash);
  }

  /** What ran as `before` turned out to be `after`. */
  turnsOut(before: Fingerprint, after: Fingerprint): void {
    const index = this.ran.lastIndexOf(before);
    if (index < 0) return;
    this.ran[index] = after;
    this.#control = controlBehind(this.#controlBefore, after.traits.control);
    if (after.writes) this.#wrote = true;
    if (after.unseen) (this.#unseen ??= new Set()).add(after);
    if (after.traits.assigns !== null) this.#untold = true;
    if (after.traits.makesTempSchema) this.#madeTempSchema = true;
    this.#mention(after);
  }

  /** Its names must be found by what comes later in the same transaction. */
  #mention({ traits }: Fingerprint): void {
    for (const name of this.#encoding.allToServer(traits.statements)) {
      (this.#mentioned ??= new Set()).add(name);
    }
  }

  /** Custom settings that the session may set. */
  noteSettings(written: Iterable<string>): void {
    this.fingerprints.noteSettings(this.#noted(written));
  }

  /** What may be some: thousands of words of a long text or parameter, which push out nothing that is known. */
  #guessSettings(written: Iterable<string>): void {
    this.fingerprints.guessSettings(this.#noted(written));
  }

  /** They are asked for behind what runs now. Returns them as the server has them. */
  #noted(written: Iterable<string>): Iterable<string> {
    const names = this.#encoding.differs ? this.#encoding.allToServer([...written]) : written;
    const settings = this.#settings ??= new Set();
    for (const name of names) if (settings.size < NOTED_MAX) settings.add(name);
    return names;
  }

  /** Whether names of settings may be in the literals of a text, which differ from run to run. */
  #mayName({ traits }: Fingerprint): boolean {
    const { hidden } = this.fingerprints.catalogue;
    return traits.namesSettings || (traits.calls.length > 0 && hidden.mayChange(traits.calls));
  }

  /** What is known of the text where `known` is of all that differ from it in literals; null where that is not enough. */
  #exact(known: Fingerprint | null, bytes: Uint8Array, start: number, end: number): Fingerprint | null {
    return known?.traits.hasBody !== true ? known : this.fingerprints.find(textHash(bytes, start, end));
  }

  #learn(hash: number, text: string, bytes: Uint8Array, start: number, end: number): Fingerprint {
    const { fingerprints } = this;
    const generic = fingerprints.find(hash) ?? fingerprints.learn(hash, text, this.#backslashes);
    if (!generic.traits.hasBody) return generic;
    return fingerprints.learnDo(textHash(bytes, start, end), text, generic, this.#backslashes);
  }

  /** Whether what ran since {@link begin} may have set the search_path. */
  get setsPath(): boolean {
    return this.ran.some(({ traits }) => traits.setsPath);
  }

  /** Whether servers may read what is odd in a text otherwise than it is read here. */
  get readsUnsurely(): boolean {
    return this.#encoding.hidesAscii || this.named.readsOtherwise(false);
  }

  /** Whether the session may have set the seed of random() by a name that is no word. */
  get seeds(): boolean {
    return this.named.seed;
  }

  /** Whether servers may read a text by other settings than those that are known. `settled`: they have answered everything. */
  readsOtherwise(settled: boolean): boolean {
    return this.named.readsOtherwise(settled);
  }

  /** Whether it is known by what settings servers read texts as soon as they have answered. */
  get readingComes(): boolean {
    return this.named.readsOtherwise(false) && !this.named.readsOtherwise(true);
  }

  /** A statement goes to the server; a `simple` one is the one that was looked at last. */
  runs(fingerprint: Fingerprint, simple = false): void {
    const { ran } = this;
    this.#ranAny = true;
    if (fingerprint.writes) this.#wrote = true;
    if (fingerprint.plain) {
      fingerprint.seen++;
      if (ran.length === 0 || ran[ran.length - 1] !== fingerprint) this.#add(fingerprint);
      return;
    }
    this.named.sets(fingerprint.traits.setsReading);
    if (fingerprint.unseen) {
      this.#unseen ??= new Set();
      this.#unseen.delete(fingerprint);
      this.#unseen.add(fingerprint);
    }
    if (fingerprint !== OPAQUE_FINGERPRINT) fingerprint.seen++;
    if (fingerprint.traits.assigns !== null) this.#assign(fingerprint.traits.assigns, simple);
    if (this.fingerprints.mayDefine(fingerprint)) this.fingerprints.catalogue.changes();
    if (fingerprint.traits.rollsBack) this.#rolledBack = true;
    if (fingerprint.traits.makesTempSchema) this.#madeTempSchema = true;
    if (fingerprint.traits.control !== 0) this.controls(fingerprint.traits.control);
    else this.#controlBefore = this.#control;
    if (ran.length > 0 && ran[ran.length - 1] === fingerprint) return;
    this.#add(fingerprint);
    this.#mention(fingerprint);
  }

  #add(fingerprint: Fingerprint): void {
    const { ran } = this;
    if (ran.length < RAN_MAX) ran.push(fingerprint);
    else {
      ran[RAN_MAX - 1] = OPAQUE_FINGERPRINT;
      this.#judged = Math.min(this.#judged, RAN_MAX - 1);
    }
  }

  #assign(name: string, simple: boolean): void {
    this.#assigned ??= new Map();
    if (!simple || this.#value === null) this.#untold = true;
    else this.#assigned.set(lowerCase(name), this.#value);
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

  /** Whether the statement that was looked at last may set temp_buffers. */
  setsTempBuffers({ traits: { setsTempBuffers, calls }, seen }: Fingerprint): boolean {
    const { hidden } = this.fingerprints.catalogue;
    return setsTempBuffers || this.named.tempBuffers || (seen === 0 && !hidden.knows(calls)) ||
      hidden.stickyOf(calls).includes("temp buffers");
  }

  /** Something goes to the server of which nothing is known. */
  runsOpaque(): void {
    this.runs(OPAQUE_FINGERPRINT);
  }

  /** Parameters of a statement that calls set_config(), or what may call it: they may name custom settings. */
  lookAtParameters(bytes: Uint8Array, start: number, end: number): void {
    const text = binaryString(bytes, start, end);
    this.named.parameters(text);
    this.#guessSettings(customSettingsInParameters(text));
  }

  /** Statements that ran since {@link begin} and did what no probe can see, each once, in the order of their last runs. */
  get unseen(): readonly Fingerprint[] {
    return this.#unseen === null ? [] : [...this.#unseen];
  }

  /** Whether what ran since {@link begin} may have been taken back: what it left says nothing of it. */
  get undone(): boolean {
    return this.#hadError || this.#rolledBack;
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
   * What may have become of the session's state since {@link begin}: a boundary is reached. What cannot have changed anything is forgotten.
   *
   * @param sinceMs when the lease began, in clock milliseconds
   * @param isPinned whether something holds the session to its connection, which may have been given back
   */
  judge(check: "learn" | "always" | "off", sinceMs: number, isPinned = false): Suspicion {
    const { ran } = this;
    this.#control = 0;
    let kept = this.#judged;
    for (let i = this.#judged; i < ran.length; i++) {
      const fingerprint = ran[i]!;
      // What another transaction found meanwhile was not there yet.
      if (this.fingerprints.mayDefine(fingerprint)) this.fingerprints.catalogue.changes();
      // Each is asked, as it counts its runs.
      const suspicion = this.fingerprints.suspicionOf(fingerprint, check, sinceMs, isPinned);
      if (suspicion === Suspicion.None) continue;
      if (suspicion > this.#suspicion) this.#suspicion = suspicion;
      if (ran.indexOf(fingerprint) >= kept) ran[kept++] = fingerprint;
    }
    while (ran.length > kept) ran.pop();
    this.#judged = kept;
    if (this.seeds && check !== "off" && this.#suspicion < Suspicion.State) this.#suspicion = Suspicion.State;
    if (this.#strange && kept > 0) this.#suspicion = Suspicion.Anything;
    return this.#suspicion;
  }
}

const NONE: ReadonlySet<string> = new Set();
