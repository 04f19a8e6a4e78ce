/** No known key is longer, and the time to compare grows with the length. */
const WORD_LENGTH_MAX = 64;

/**
 * The candidate that `word` is most likely a misspelling of, or undefined when none is near: at most a third of its
 * letters differ. Case is ignored. Of equally near ones, the first.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > WORD_LENGTH_MAX) return undefined;
  const typed = word.toLowerCase();
  let best: string | undefined;
  let bestEdits = Infinity;
  for (const candidate of candidates) {
    const editsMax = Math.floor(Math.max(word.length, candidate.length) / 3);
    const edits = editDistance(typed, candidate.toLowerCase());
    if (edits <= editsMax && edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

/** `names` with those first that are most like `word`; of equally near ones, in the order given. */
export function nearestFirst(word: string, names: Iterable<string>): string[] {
  const typed = word.slice(0, WORD_LENGTH_MAX).toLowerCase();
  return [...names]
    .map((name) => ({ name, edits: editDistance(typed, name.slice(0, WORD_LENGTH_MAX).toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits)
    .map(({ name }) => name);
}

/**
 * The fewest insertions, deletions, substitutions and swaps of neighbours that make `b` of `a`: Levenshtein's distance,
 * with a swap, the commonest slip in typing, as one edit instead of two.
 */
export function editDistance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row++) {
    const above = rows[row - 1]!;
    const line = [row];
    for (let column = 1; column <= b.length; column++) {
      const substituted = above[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      const swappable = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = swappable ? rows[row - 2]![column - 2]! + 1 : Infinity;
      line.push(Math.min(substituted, swapped, above[column]! + 1, line[column - 1]! + 1));
    }
    rows.push(line);
  }
  return rows[a.length]![b.length]!;
}
