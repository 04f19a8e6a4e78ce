import { deepEqual, equal } from "node:assert/strict";
import { inspected, settings } from "./scene_test.ts";
import { foldedName, isSameName, listedNames, strangeNames } from "./standby_names.ts";

Deno.test("isSameName folds ASCII letters only", () => {
  equal(isSameName("Node-1", "nODE-1"), true);
  equal(isSameName("n1", "n2"), false);
  equal(foldedName("ÄN"), "Än");
});

Deno.test("listedNames leaves out the primary's own name, unless another node has it", () => {
  const synchronous = { method: "any", k: 1, names: ["N1", "n2", "n3"] } as const;
  const own = new Map([["n1", "n1"], ["n2", "n2"], ["n3", "n3"]]);
  deepEqual(listedNames(synchronous, own, "n1"), ["n2", "n3"]);
  deepEqual(listedNames(synchronous, new Map([...own, ["n3", "n1"]]), "n1"), ["N1", "n2", "n3"]);
  deepEqual(listedNames({ ...synchronous, names: ["*"] }, own, "n1"), ["n2", "n3"]);
});

Deno.test("strangeNames are those that are not the file's", () => {
  const [n1, n2, n3] = settings().nodes.map((node) => ({ node, view: null, startingSinceMs: 0 }));
  deepEqual(
    strangeNames([
      { ...n1!, inspected: null },
      { ...n2!, inspected: inspected({ standbyName: "n2" }) },
      { ...n3!, inspected: inspected({ standbyName: "15/main" }) },
    ]),
    { n3: "15/main" },
  );
});
