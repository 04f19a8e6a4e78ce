/**
 * Where instances agree on which node of a cluster is its primary: the record of each cluster, by compare-and-swap on its revision.
 *
 * {@link Standalone} is for one that decides alone: its records are in a file (`state_file`), so that a restart knows them. It is always the
 * leader, and its permits have no end. `state_encoding.ts` is the file's text, `state_file.ts` writes and reads it.
 *
 * {@link EtcdStore} is where several instances meet: keys and watches in etcd (`etcd/`), for the rules in `instances/`.
 *
 * It decides nothing, and knows no record from inside: a record is a JSON value, in which bigints may stand.
 *
 * @module
 */
export * from "./etcd/mod.ts";
export * from "./open.ts";
export * from "./standalone.ts";
export * from "./state_encoding.ts";
export * from "./state_file.ts";
