import type { BinaryString } from "../protocol/mod.ts";

/** A setting's name as SET, RESET and SHOW take it, part by part. */
export function settingName(name: BinaryString): BinaryString {
  if (!name.includes('"')) return `"${name.replaceAll(".", '"."')}"`;
  return name.includes(".") ? name.split(".").map(quoteIdentifier).join(".") : quoteIdentifier(name);
}

/** A name as SQL takes it, whatever is in it. */
export function quoteIdentifier(name: BinaryString): BinaryString {
  return `"${name.replaceAll('"', '""')}"`;
}
