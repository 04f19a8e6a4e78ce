/** A line for the log. */
export interface Line {
  readonly level: "info" | "warning" | "error";
  readonly text: string;
}

/** Lines for the log. What was said is said again only behind something else under the same key. */
export class Lines {
  #lines: Line[] = [];
  readonly #said = new Map<string, string>();

  say(level: Line["level"], key: string, text: string): void {
    if (this.#said.get(key) === text) return;
    this.#said.set(key, text);
    this.#lines.push({ level, text });
  }

  /** What was said under a key may be said again. */
  unsay(key: string): void {
    this.#said.delete(key);
  }

  /** Those since the last call. */
  take(): readonly Line[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }
}
