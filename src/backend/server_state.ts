import type { BinaryString } from "../protocol/mod.ts";
import { isInPlans } from "./reading.ts";
import type { Settings, SettingsTable } from "./settings.ts";

/** What is known of the state of the server session behind one connection: its settings, and whether it has a temporary schema. Pure. */
export class ServerState {
  /** Whether plans of routines may have been made by other settings than those that hold now, or have held as far as it is known. */
  plansMixed = false;
  readonly #base: Settings;
  #reported: Settings;
  #settings: Settings;
  #nameIsSet = false;
  #hasTempSchema = false;
  #mixed = false;
  #stained = false;
  #noDefault: Set<string> | null = null;

  /** @param reported what the server reported while logging in */
  constructor(reported: Settings) {
    this.#base = this.#reported = this.#settings = reported;
  }

  /** What RESET of everything goes back to, as far as it is reported. */
  get base(): Settings {
    return this.#base;
  }

  /** What the server reported last by ParameterStatus. */
  get reported(): Settings {
    return this.#reported;
  }

  /**
   * The whole state, as far as it is known: {@link reported}, and what a probe or a restore added. Equal to a session's,
   * the session may use the connection as it is.
   */
  get settings(): Settings {
    return this.#settings;
  }

  /** Whether application_name was SET, be it to what the connection was opened with. */
  get nameIsSet(): boolean {
    return this.#nameIsSet;
  }

  /** Whether the backend has made its temporary schema, which it keeps for life. */
  get hasTempSchema(): boolean {
    return this.#hasTempSchema;
  }

  /** Whether there may be more on it than {@link settings} says: settings whose names nobody knows. */
  get mixed(): boolean {
    return this.#mixed;
  }

  /** Whether it is known that RESET of this custom setting leaves nothing. */
  hasNoDefault(name: string): boolean {
    return this.#noDefault !== null && this.#noDefault.has(name);
  }

  /** RESET of these custom settings leaves nothing, as no startup packet, role, database or file says anything of them. */
  noDefaultOf(names: Iterable<string>): void {
    for (const name of names) (this.#noDefault ??= new Set()).add(name);
  }

  /** Whether there may be on it what nothing takes back: no other session may have it. */
  get stained(): boolean {
    return this.#stained;
  }

  /**
   * Something ran that may have set anything: no other session may have the connection as it is.
   *
   * @param stains it may have left what nothing takes back
   */
  mayHaveMore(stains = false): void {
    this.#mixed = this.plansMixed = true;
    if (stains) this.#stained = true;
  }

  /** RESET ALL, RESET ROLE and RESET SESSION AUTHORIZATION: all settings are as they were when the connection was opened. */
  reset(): void {
    this.#settings = this.#reported;
    this.#mixed = this.#nameIsSet = false;
  }

  /** ParameterStatus came. */
  reports(name: BinaryString, value: BinaryString): void {
    if (isInPlans(name) && this.#reported.values.get(name) !== value) this.plansMixed = true;
    this.#reported = this.#reported.with(name, value);
    this.#settings = this.#settings.with(name, value);
  }

  /** A probe read the whole state. */
  found(settings: Settings, nameIsSet: boolean): void {
    this.#settings = settings;
    this.#nameIsSet = nameIsSet;
  }

  /**
   * The settings of `target` were set but for those `leftOut`. What ParameterStatus does not tell is from now on what was just set.
   * `wereSet`: which of those that it tells of are SET from now on.
   */
  restored(
    target: Settings,
    { nameIsSet, wereSet, leftOut }: {
      readonly nameIsSet: boolean;
      readonly wereSet: ReadonlySet<string>;
      readonly leftOut: ReadonlySet<string>;
    },
  ): void {
    let settings = this.#reported.marked(wereSet);
    for (const [name, value] of target.values) {
      if (!settings.values.has(name) && !leftOut.has(name)) settings = settings.with(name, value);
    }
    this.#settings = settings.equals(target) ? target : settings;
    this.#nameIsSet = nameIsSet;
  }

  /** What differs from `target`, and is not reported, is being set: the connection is given up where that fails. */
  restoredAhead(target: Settings): void {
    this.#settings = target;
  }

  /** RESET of one setting, which nothing reports. */
  settingReset(name: string): void {
    this.#settings = this.#settings.without(name);
  }

  /** DISCARD ALL: but for a temporary schema, all is as it was when the connection was opened. */
  discarded(): void {
    this.reset();
    this.plansMixed = false;
  }

  /** The backend has made its temporary schema. */
  tempSchemaMade(): void {
    this.#hasTempSchema = true;
  }

  /** Makes {@link settings} one object with others in `known` that say the same. */
  share(known: SettingsTable): Settings {
    return this.#settings = known.one(this.#settings);
  }
}
