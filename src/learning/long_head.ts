import { controlBehind, LongText, OPAQUE_TRAITS, sqlTraits } from "../protocol/mod.ts";
import { Fingerprint } from "./fingerprints.ts";

/** What the beginning of a text says, from `start` to `end`, that does not lie in the buffer: it may do anything, and this besides. */
export function headOf(bytes: Uint8Array, start: number, end: number, backslashes: boolean): Fingerprint {
  const head = new LongText(backslashes);
  head.read(bytes, start, end);
  const traits = sqlTraits(head.reduced ?? "", backslashes);
  const { statements, sequences, sticky, listens, notifies, listsStatements, listsChannels } = traits;
  const { resetsName, altersDefaults, text } = traits;
  return new Fingerprint({
    ...OPAQUE_TRAITS,
    control: controlBehind(traits.control, OPAQUE_TRAITS.control),
    statements,
    sequences,
    sticky,
    listens,
    notifies,
    listsStatements,
    listsChannels,
    resetsName,
    altersDefaults,
    text,
  });
}

/** Reads a body as it passes. */
export interface LongReader {
  read(bytes: Uint8Array, start: number, end: number): void;
  ends(): void;
}
