import { deepStrictEqual as deepEqual, ok } from "node:assert/strict";
import { parseConfig } from "../config/mod.ts";
import { YamlText } from "./yaml_text.ts";

Deno.test("YamlText writes names and values that the configuration reads as they were", () => {
  const text = new YamlText();
  const odd = [
    "on",
    "null",
    "*",
    "#x",
    "a: b",
    "12",
    "1e3",
    'é"\\',
    " lead",
    "@at",
    "~",
    "0x1f",
    "plain-word",
    "<<",
    "5s",
  ];
  for (const value of odd) text.at("auth").at("users").set(value, value);
  text.at("console").set("admin_users", odd);
  text.at("clusters").at("main").entries("nodes", [{ name: "a", port: 5433, host: "::1" }]);
  const parsed = parseConfig(text.lines().join("\n"), { file: "f" });
  ok("config" in parsed, JSON.stringify(parsed));
  deepEqual(
    [...parsed.config.auth.users].map(([name, { password }]) => [name, password?.reveal()]),
    odd.map((name) => [name, name]),
  );
  deepEqual(parsed.config.console.admin_users, odd);
  deepEqual(parsed.config.clusters.get("main")!.nodes.map(({ host, port }) => [host, port]), [["::1", 5433]]);
});

Deno.test("YamlText puts comments where they were said, and no key over comments alone", () => {
  const text = new YamlText();
  text.at("pool").comment("first");
  text.at("pool").set("a", 1, "why");
  text.at("log").comment("only words");
  text.at("none");
  deepEqual(text.lines(), ["pool:", "  # first", "  a: 1 # why", "# only words"]);
});

Deno.test("YamlText keeps comments within a line's width", () => {
  const text = new YamlText();
  text.at("pool").comment("word ".repeat(100).trim());
  text.at("pool").set("a", 1);
  ok(text.lines().every((line) => line.length <= 110 && !line.endsWith(" ")));
});
