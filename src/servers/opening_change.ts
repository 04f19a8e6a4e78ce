import { type ClusterTls, type Config, poolSettings, Secret } from "../config/mod.ts";
import { ownerOf } from "./databases.ts";
import type { DestinationKey } from "./destination_key.ts";

/** Whether connections of this destination are opened in another way since a reload: those that are there are to be replaced. */
export function opensOtherwise(
  { before, after }: { readonly before: Config; readonly after: Config },
  key: DestinationKey,
): boolean {
  const was = before.clusters.get(key.cluster)?.tls;
  const is = after.clusters.get(key.cluster)?.tls;
  if (was === undefined || is === undefined) return false;
  if (!sameTls(was, is)) return true;
  const owner = ownerOf(key);
  return poolSettings(before, owner).connect_query !== poolSettings(after, owner).connect_query;
}

/** Also by what stands in the files: a renewed certificate in the same file is another one. */
function sameTls(a: ClusterTls, b: ClusterTls): boolean {
  const keys = Object.keys(a) as (keyof ClusterTls)[];
  return keys.every((key) => plain(a[key]) === plain(b[key]));
}

function plain(value: ClusterTls[keyof ClusterTls]): string | null {
  if (value instanceof Secret) return value.reveal();
  return typeof value === "string" || value === null ? value : value.join();
}
