import type { SynchronousNames } from "./record.ts";
import type { Known, Work } from "./work.ts";

/** Whether PostgreSQL takes two names of standbys for one. Source: SyncRepGetStandbyPriority in syncrep.c. */
export function isSameName(a: string, b: string): boolean {
  return a === b || foldedName(a) === foldedName(b);
}

/** The same text for all names that {@link isSameName} takes for one. */
export function foldedName(name: string): string {
  return name.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Of each node the name by which its upstream knows it: as it says itself, else as it did when the move began. */
export function standbyNames(work: Work): Map<string, string> {
  const told = work.record?.move?.names ?? {};
  return new Map(
    [...work.nodes.values()].map(({ node: { name }, inspected }) =>
      [name, inspected?.standbyName ?? told[name] ?? name] as const
    ),
  );
}

/** Those that are known to be called otherwise than by the name in the file: one that receives from nobody does not say so any more. */
export function strangeNames(nodes: Iterable<Known>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { node: { name }, inspected } of nodes) {
    const called = inspected?.standbyName ?? name;
    if (called !== name) found[name] = called;
  }
  return found;
}

/** By whose names commits of `from` are acknowledged. Its own counts where another node has it as well. `names`: as {@link standbyNames}. */
export function listedNames(
  synchronous: SynchronousNames,
  names: ReadonlyMap<string, string>,
  from: string,
): readonly string[] {
  const others = [...names].filter(([node]) => node !== from).map(([, name]) => name);
  if (synchronous.names.includes("*")) return others;
  const own = names.get(from);
  return synchronous.names.filter((name) =>
    own === undefined || !isSameName(own, name) || others.some((other) => isSameName(other, name))
  );
}
