/**
 * `text` as an SQL literal that is ASCII alone: what a server reads in it depends on neither the client's encoding, in which a
 * quote or a backslash may be the second byte of a character, nor standard_conforming_strings.
 *
 * @param unicode whether the server can show the client any character: other than ASCII's are `?` where it cannot.
 */
export function sqlLiteral(text: string, { unicode }: { unicode: boolean }): string {
  const quoted = text.replaceAll(/['\\]|[^\x20-\x7e]/gu, (character) => {
    if (character === "'" || character === "\\") return character + character;
    return unicode ? `\\U${character.codePointAt(0)!.toString(16).padStart(8, "0")}` : "?";
  });
  return quoted.includes("\\") ? `E'${quoted}'` : `'${quoted}'`;
}
