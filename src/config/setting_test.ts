import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { type Setting, settingTree } from "./setting.ts";

const row = (path: string): Setting => ({
  path,
  type: { kind: "text" },
  default: { kind: "required" },
  reload: "live",
  doc: "",
});

Deno.test("settingTree puts members below groups, and what maps and lists hold below their entries", () => {
  const rows = ["a", "a.b", "a.*", "a.*.c", "a.*.d", "a.*.d[]", "a.*.d[].e", "f"].map(row);
  const root = settingTree(rows);
  deepEqual([root.setting.path, [...root.members.keys()], root.entry], ["", ["a", "f"], null]);
  const a = root.members.get("a")!;
  deepEqual([[...a.members.keys()], a.entry!.setting.path], [["b"], "a.*"]);
  deepEqual([...a.entry!.members.keys()], ["c", "d"]);
  const item = a.entry!.members.get("d")!.entry!;
  deepEqual([item.setting, [...item.members.keys()]], [rows[5], ["e"]]);
  equal(item.members.get("e")!.entry, null);
});

Deno.test("settingTree refuses a row whose parent has none, or stands behind it", () => {
  throws(() => settingTree([row("a.b")]), /parent of a\.b/);
  throws(() => settingTree([row("a"), row("a[].b")]), /parent of a\[\]\.b/);
  throws(() => settingTree([row("a.b"), row("a")]), /parent of a\.b/);
});
