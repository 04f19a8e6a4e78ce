import type { FileContents, Reload, Setting, SettingDefault, SettingType, TextShape } from "./setting.ts";

/** A row of the table without its path. */
export type Row = Omit<Setting, "path">;

// More connections than one machine has ports and file descriptors for.
const CONNECTIONS_MAX = 1_000_000;

export const MEMBERS: SettingDefault = { kind: "members" };
export const REQUIRED: SettingDefault = { kind: "required" };
export const INHERITED: SettingDefault = { kind: "inherited" };
export const NULL: SettingDefault = { kind: "value", value: null };

export function group(doc: string): Row {
  return { type: { kind: "group" }, default: MEMBERS, reload: "live", doc };
}

export function nullableGroup(doc: string): Row {
  return { type: { kind: "group", nullable: true }, default: NULL, reload: "live", doc };
}

export function map(names: TextShape, entriesMin: number, doc: string): Row {
  return { type: { kind: "map", names, entriesMin }, default: MEMBERS, reload: "live", doc };
}

export function integer(
  min: number,
  value: number,
  doc: string,
  max = CONNECTIONS_MAX,
  reload: Reload = "live",
): Row {
  return { type: { kind: "integer", min, max }, default: { kind: "value", value }, reload, doc };
}

export function duration(value: number, doc: string, minMs = 0): Row {
  return { type: { kind: "duration", minMs }, default: { kind: "value", value }, reload: "live", doc };
}

export function choice(values: readonly string[], value: string, doc: string, reload: Reload = "live"): Row {
  return { type: { kind: "choice", values }, default: { kind: "value", value }, reload, doc };
}

export function boolean(value: boolean, doc: string): Row {
  return { type: { kind: "boolean" }, default: { kind: "value", value }, reload: "live", doc };
}

/** Of at most a petabyte. */
export function size(value: number, doc: string): Row {
  const type: SettingType = { kind: "size", min: 0, max: 1024 ** 5 };
  return { type, default: { kind: "value", value }, reload: "live", doc };
}

export function text(shape: TextShape, value: SettingDefault, doc: string, reload: Reload = "live"): Row {
  const type: SettingType = value === NULL
    ? { kind: "text", shape, nullable: true }
    : { kind: "text", shape };
  return { type, default: value, reload, doc };
}

export function texts(value: readonly string[], doc: string, reload: Reload = "live"): Row {
  return { type: { kind: "texts", entriesMax: 1_000 }, default: { kind: "value", value }, reload, doc };
}

/** A list of some of `values`, all of them by default. */
/** Several of `values`, by default all of them; those of `silent` are taken too. */
export function choices(
  values: readonly string[],
  doc: string,
  { silent = [] }: { readonly silent?: readonly string[] } = {},
): Row {
  const all = [...silent, ...values];
  return {
    type: { kind: "texts", entriesMax: all.length, values: all },
    default: { kind: "value", value: values },
    reload: "live",
    doc,
  };
}

export function secret(doc: string): Row {
  return { type: { kind: "secret" }, default: NULL, reload: "live", doc };
}

export function file(holds: FileContents, contents: string, doc: string, value: SettingDefault = NULL): Row {
  const type: SettingType = value === NULL
    ? { kind: "file", holds, contents, nullable: true }
    : { kind: "file", holds, contents };
  return { type, default: value, reload: "live", doc };
}

export function env(contents: string, doc: string): Row {
  return { type: { kind: "env", contents }, default: NULL, reload: "live", doc };
}
