import { NAME_BYTES_MAX } from "../kernel/mod.ts";
import type { BinaryString } from "../protocol/mod.ts";

/** A setting's name as SET, RESET and SHOW take it, part by part. */
export function settingName(name: BinaryString): BinaryString {
  if (!name.includes('"')) return `"${name.replaceAll(".", '"."')}"`;
  return name.includes(".") ? name.split(".").map(quoteIdentifier).join(".") : quoteIdentifier(name);
}

/** Whether SET and its kin would cut a part of the name; `set_config` takes it as it is, and that is another setting. */
export function isCut(name: BinaryString): boolean {
  return name.length > NAME_BYTES_MAX && name.split(".").some((part) => part.length > NAME_BYTES_MAX);
}

/** A name as SQL takes it, whatever is in it. */
export function quoteIdentifier(name: BinaryString): BinaryString {
  return `"${name.replaceAll('"', '""')}"`;
}
