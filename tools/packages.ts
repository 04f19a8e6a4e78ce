/**
 * `deno task packages`: what goes beside the executable in a package, into `dist/`: the manual page, completions, the systemd unit, the example
 * configuration.
 *
 * @module
 */
import denoJson from "../deno.json" with { type: "json" };
import { COMPLETION_SHELLS, completions, manPage } from "../src/usage/mod.ts";

const root = new URL("../", import.meta.url);
const dist = new URL("dist/", root);
/** Where each shell looks for its completions. */
const FILES = { bash: "pgplex.bash", zsh: "_pgplex", fish: "pgplex.fish" } as const;

/** Writes them. @returns the names of the files, in `dist/` */
export async function writePackageFiles(): Promise<string[]> {
  await Deno.mkdir(new URL("completions/", dist), { recursive: true });
  const date = new Date().toISOString().slice(0, 10);
  await Deno.writeTextFile(new URL("pgplex.1", dist), manPage({ version: denoJson.version, date }));
  for (const shell of COMPLETION_SHELLS) {
    await Deno.writeTextFile(new URL(`completions/${FILES[shell]}`, dist), completions(shell));
  }
  await Deno.copyFile(new URL("contrib/systemd/pgplex.service", root), new URL("pgplex.service", dist));
  await Deno.copyFile(new URL("config.example.yaml", root), new URL("config.example.yaml", dist));
  const written = Object.values(FILES).map((name) => `completions/${name}`);
  return ["pgplex.1", ...written, "pgplex.service", "config.example.yaml"];
}

if (import.meta.main) {
  for (const name of await writePackageFiles()) console.log(`dist/${name}`);
}
