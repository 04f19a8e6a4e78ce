import { utf8FromBinary } from "../../protocol/mod.ts";
import { type Cell, columns, type Table } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";

/** How many statements of one database are shown: those that ran most often. */
const PROBES_MAX = 1000;

/**
 * SHOW PROBES: what pgplex knows of the statements of each database, those that ran most first.
 *
 * `runs` counts a statement that ran several times in a row in one transaction each time; `probes` are the looks at session
 * state behind transactions in which it ran, `hits` those that found a change. `text` has no literals.
 */
export function showProbes({ worker: { pools } }: ConsoleParts): Table {
  const rows: Cell[][] = [];
  const databases = [...pools.fingerprints()].sort((a, b) =>
    `${a.cluster} ${a.database}` < `${b.cluster} ${b.database}` ? -1 : 1
  );
  for (const { cluster, database, fingerprints } of databases) {
    const known = [...fingerprints.all()].sort(([, a], [, b]) => b.seen - a.seen).slice(0, PROBES_MAX);
    for (const [hash, fingerprint] of known) {
      const { seen, probes, hits, traits } = fingerprint;
      const state = fingerprints.stateOf(fingerprint);
      const text = utf8FromBinary(traits.text);
      rows.push([cluster, database, hash.toString(16).padStart(14, "0"), state, seen, probes, hits, text]);
    }
  }
  return {
    columns: columns(
      "cluster text, database text, fingerprint text, state text, runs int8, probes int8, hits int8, text text",
    ),
    rows,
  };
}
