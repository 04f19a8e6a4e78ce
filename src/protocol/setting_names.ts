import { binaryString } from "./bytes.ts";
import { customSettingsIn, customSettingsInParameters, literalsLikeSettings } from "./sql_traits.ts";

/** What stands apart by more is not read as one: a SET and its name, a call and its argument. */
const OVERLAP = 400;

/** Names of one text, at most. */
const NAMES_MAX = 1000;

/** Names that may be of custom settings, in bytes of any length as they come. */
export class SettingNames {
  readonly #kind: "text" | "parameters";
  readonly #names = new Set<string>();
  readonly #literals = new Set<string>();
  #before = "";
  #setsByFunction = false;

  constructor(kind: "text" | "parameters") {
    this.#kind = kind;
  }

  /** Those that were found. */
  get names(): ReadonlySet<string> {
    return this.#setsByFunction ? this.withLiterals : this.#names;
  }

  /** Those, and all literals of the text that look like one: what they are handed to may set it. */
  get withLiterals(): ReadonlySet<string> {
    return new Set([...this.#names, ...this.#literals]);
  }

  /** More lies from `start` to `end`. */
  read(bytes: Uint8Array, start: number, end: number): void {
    const window = this.#before + binaryString(bytes, start, end);
    this.#before = window.slice(-OVERLAP);
    if (this.#kind === "parameters") return add(this.#names, customSettingsInParameters(window));
    add(this.#names, customSettingsIn(window));
    add(this.#literals, literalsLikeSettings(window));
    this.#setsByFunction ||= /set_config|current_setting/i.test(window);
  }
}

function add(to: Set<string>, names: readonly string[]): void {
  for (const name of names) if (to.size < NAMES_MAX) to.add(name);
}
