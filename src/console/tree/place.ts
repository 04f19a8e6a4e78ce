/** A path as SHOW and SET read it: a name that is not plain is in double quotes, a quote in it doubled. */
export function formatPlace(path: readonly string[]): string {
  return path.map((name) => isPlain(name) ? name : `"${name.replaceAll('"', '""')}"`).join(".");
}

/** Two hyphens would begin a comment. */
function isPlain(name: string): boolean {
  return /^[\p{L}\p{N}_-]+$/u.test(name) && !name.includes("--");
}
