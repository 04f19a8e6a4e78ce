import {
  assignedIn,
  type BinaryString,
  binaryString,
  customSettingsIn,
  literalsLikeSettings,
  namesWhatItSets,
  type SqlTraits,
  TextShape,
} from "../protocol/mod.ts";

/** The shapes of longer texts are not kept. */
const SHAPE_BYTES_MAX = 500;

/** How a text is read. */
export interface ReadingOfNames {
  /** Texts that look like it were read before: where it tells its value, it is not asked what else may stand in it. */
  readonly isKnown: boolean;
  /** What it calls may set what stands in its literals. */
  readonly mayName: boolean;
}

/**
 * What a text says of settings, also in its literals, which differ from run to run: what a statement's traits cannot tell. To read it
 * costs more than most statements do, so it is kept for the next text of the same shape.
 */
export class SaidSettings {
  /** Custom settings that it sets or reads, by what stands in it. */
  readonly settings: readonly string[];
  /** What may be one. */
  readonly guessed: readonly string[];
  /** It sets by a function what has a name that nobody reads. */
  readonly strange: boolean;
  /** It sets one custom setting to the literal in it, and does nothing else. */
  readonly #assigns: boolean;
  readonly #shape: TextShape | null;

  /** What `text` says, which lies from `start` to `end`. */
  constructor(
    text: BinaryString,
    bytes: Uint8Array,
    start: number,
    end: number,
    traits: SqlTraits,
    { isKnown, mayName }: ReadingOfNames,
  ) {
    this.#assigns = traits.assigns !== null && assignedIn(text) !== null;
    const isTold = isKnown && this.#assigns;
    // One that is new may read such a setting, which somebody out of sight may set.
    this.settings = isTold ? traits.sets : [...traits.sets, ...customSettingsIn(text)];
    this.guessed = !isTold && mayName ? literalsLikeSettings(text) : [];
    this.strange = !isTold && traits.namesSettings && !namesWhatItSets(text);
    this.#shape = isKnown && end - start <= SHAPE_BYTES_MAX ? new TextShape(bytes, start, end) : null;
  }

  /** Whether the text from `start` to `end` says the same, but for its value. */
  holdsFor(bytes: Uint8Array, start: number, end: number): boolean {
    return this.#shape !== null && this.#shape.fits(bytes, start, end);
  }

  /** The value to which a text for which it holds sets its one custom setting; null where it does anything else. */
  valueIn(bytes: Uint8Array, start: number, end: number): BinaryString | null {
    if (!this.#assigns) return null;
    const opens = bytes.indexOf(QUOTE, start);
    return binaryString(bytes, opens + 1, bytes.lastIndexOf(QUOTE, end - 1)).replaceAll("''", "'");
  }
}

const QUOTE = 0x27;
