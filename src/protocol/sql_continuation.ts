/**
 * Where a string goes on that ended before `at`: behind the quote that opens its next part; 0 where it does not. White space with a
 * line's end in it stands between, and comments of a line (quotecontinue in scan.l). What is read in the next part is read as in the
 * first: behind E'' a backslash escapes there too.
 *
 * @param codeAt the byte at a place
 */
export function continuationOf(codeAt: (place: number) => number, at: number, end: number): number {
  let [place, line] = [at, false];
  for (; place < end; place++) {
    const c = codeAt(place);
    if (c === 0x27) return line ? place + 1 : 0;
    if (c === 10 || c === 13) line = true;
    else if (c === 0x2d && place + 1 < end && codeAt(place + 1) === 0x2d) {
      while (place + 1 < end && codeAt(place + 1) !== 10 && codeAt(place + 1) !== 13) place++;
    } else if (c !== 32 && (c < 9 || c > 13)) return 0;
  }
  return 0;
}
