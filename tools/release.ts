/**
 * `deno task release`: the executables of the platforms that deno compile knows, with what goes beside them, and `dist/SHA256SUMS`.
 *
 * deno fetches the base of each platform once. `--only TARGET` makes one; where `DENORT_BIN` names the base of this machine's platform,
 * nothing is fetched for that.
 *
 * @module
 */
import { parseArgs } from "node:util";
import denoJson from "../deno.json" with { type: "json" };
import { writePackageFiles } from "./packages.ts";

/** The platforms, as deno compile names them. */
const TARGETS = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

const root = new URL("../", import.meta.url).pathname;
const { values } = parseArgs({ args: Deno.args, options: { only: { type: "string", multiple: true } } });
const targets = values.only ?? TARGETS;
const unknown = targets.filter((target) => !TARGETS.includes(target));
if (unknown.length > 0) {
  console.error(`There is no target ${unknown.join(", ")}; there are ${TARGETS.join(", ")}`);
  Deno.exit(2);
}
const compile = denoJson.tasks.compile.command.split(" ").filter((word) => word !== "deno");
const files = await writePackageFiles();
for (const target of targets) {
  const name = `pgplex-${denoJson.version}-${target}${target.includes("windows") ? ".exe" : ""}`;
  const args = compile.map((word) => word === "dist/pgplex" ? `dist/${name}` : word);
  // The base of DENORT_BIN is this platform's, so no target is named with it.
  const isOwn = target === Deno.build.target && Deno.env.has("DENORT_BIN");
  const env = isOwn ? {} : { DENORT_BIN: "" };
  args.splice(1, 0, ...(isOwn ? [] : ["--target", target]));
  console.log(`${target} …`);
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: root, env }).spawn().status;
  if (!success) {
    console.error(`Cannot make ${name}`);
    Deno.exit(1);
  }
  files.push(name);
}
const sums: string[] = [];
for (const name of files.toSorted()) {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(`${root}/dist/${name}`));
  sums.push(`${new Uint8Array(digest).toHex()}  ${name}`);
}
await Deno.writeTextFile(`${root}/dist/SHA256SUMS`, `${sums.join("\n")}\n`);
console.log(`${files.length} files and dist/SHA256SUMS`);
