import { deepStrictEqual as deepEqual, strictEqual as equal, throws } from "node:assert/strict";
import { OPTION_NAMES } from "../config/mod.ts";
import { clusterOption, startupOptions, startupSettings } from "./startup_options.ts";

const take = (params: Record<string, string>) => {
  const { params: left, options } = startupOptions(new Map(Object.entries(params)), OPTION_NAMES);
  return { left: Object.fromEntries(left), options: Object.fromEntries(options) };
};

Deno.test("startupOptions takes pgplex's options out of options and leaves the rest as it was written", () => {
  for (
    const [given, left] of [
      ["-c pgplex.tag=a", undefined],
      ["-c pgplex.tag=a -c work_mem=5MB", " -c work_mem=5MB"],
      ["-c work_mem=5MB -cpgplex.tag=a --search-path=a\\ b", "-c work_mem=5MB --search-path=a\\ b"],
      ["--PGPLEX.tag=a", undefined],
    ] as const
  ) {
    const { left: params, options } = take({ user: "me", options: given });
    equal(params["options"], left, given);
    deepEqual(options, { tag: "a" }, given);
  }
  // The second byte of à in UTF-8 is no white space.
  equal(
    take({ options: "-c pgplex.tag=a --search-path=\xc3\xa0" }).left["options"],
    " --search-path=\xc3\xa0",
  );
  deepEqual(take({ options: "-c pgplex.tag=a\\ \\\\b" }).options, { tag: "a \\b" });
});

Deno.test("startupOptions takes parameters of their own, and the later of two holds", () => {
  deepEqual(take({ "pgplex.query_timeout": "5s", options: "-c pgplex.query-timeout=6s" }), {
    left: {},
    options: { query_timeout: 6000 },
  });
});

Deno.test("startupOptions leaves a packet without them untouched", () => {
  const params = new Map([["user", "me"], ["options", " -c  a=b -c"]]);
  equal(startupOptions(params, OPTION_NAMES).params, params);
});

Deno.test("startupOptions refuses what SET refuses", () => {
  throws(() => take({ "pgplex.nothing": "1" }), /unrecognized configuration parameter "pgplex.nothing"/);
  throws(() => take({ options: "-c pgplex.intent=x" }), /invalid value for parameter "pgplex.intent": "x"/);
  throws(
    () => startupOptions(new Map([["pgplex.tag", "x"]]), []),
    /permission denied to set parameter "pgplex.tag"/,
  );
});

Deno.test("startupSettings takes the later of two that differ in case only, and what is no setting as it stands", () => {
  const of = (...params: [string, string][]) => [...startupSettings(new Map(params))];
  deepEqual(of(["work_mem", "1MB"], ["WORK_MEM", "2MB"]), [["work_mem", ["WORK_MEM", "2MB"]]]);
  deepEqual(of(["WORK_MEM", "2MB"], ["work_mem", "1MB"]), [["work_mem", ["work_mem", "1MB"]]]);
  deepEqual(of(["user", "me"], ["database", "db"], ["replication", "no"]), []);
  deepEqual(of(["options", "-c a=b"], ["OPTIONS", "x"], ["USER", "y"]), [
    ["options", ["options", "-c a=b"]],
    ["OPTIONS", ["OPTIONS", "x"]],
    ["USER", ["USER", "y"]],
  ]);
});

Deno.test("clusterOption finds pgplex.cluster wherever a startup packet may have it, and of two the later one", () => {
  const of = (params: Record<string, string>) => clusterOption(new Map(Object.entries(params)));
  equal(of({ user: "a", "PGPLEX.cluster": "sub" }), "sub");
  equal(of({ options: "-c work_mem=1MB -c pgplex.cluster=sub" }), "sub");
  equal(of({ options: "--pgplex.Cluster=sub" }), "sub");
  equal(of({ options: "-c pgplex.cluster=one -cpgplex.cluster=two" }), "two");
  equal(of({ options: "-c pgplex.tag=-cpgplex.cluster=x", cluster: "y" }), null);
});
