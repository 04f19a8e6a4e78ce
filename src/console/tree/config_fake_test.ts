import { LiveConfig, parseConfig } from "../../config/mod.ts";
import { lexStatements } from "../command/mod.ts";
import { configNode } from "./config_node.ts";
import { walk } from "./path.ts";
import { showPlace } from "./show.ts";

const TEXT = `
auth: { users: { alice: a-secret, "odd.name": { password_env: X } } }
routing: { databases: { reports: { cluster: main, pool_mode: session } } }
clusters:
  main: { nodes: [{ name: main-1, host: h }, { name: main-2, host: i }], pool: { default_pool_size: 7 } }
`;

/** A configuration with users, an alias and a cluster of two nodes. */
export function live(): LiveConfig {
  const parsed = parseConfig(TEXT, { file: "pgplex.yaml" });
  if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
  return new LiveConfig(parsed);
}

/** What SHOW answers at a path of the configuration: name, value, source, changeable. */
export async function shown(path: string, config = live()): Promise<unknown[][]> {
  const [statement] = lexStatements(path);
  const [token] = statement!.tokens;
  if (token?.kind !== "name") throw new Error("a path is a name");
  const found = await walk(configNode(config, [])!, token.parts);
  return showPlace(found).rows.map((row) => row.slice(0, 4));
}
