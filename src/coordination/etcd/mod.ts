/**
 * The store of keys that several instances share, in etcd: {@link EtcdStore} implements the port `KeyStore` of `instances/`.
 *
 * It goes by the library npm:etcd3, of which little can be taken as it is: a call to a member that is stopped never ends, what was sent is
 * sent again, a watch loses what comes during a cut, and a member that ends in an orderly way can take the process with it. So between the two
 * stand, from the outside in:
 *
 * - `etcd_store.ts`: each verb of the port, and a limit of time around each call.
 * - `members.ts`: which member is asked, and which one after it (`member_choice.ts` decides).
 * - `watch.ts`: listings, and streams between them (`following.ts` decides).
 * - `member.ts`: one call or stream to one member, sent once (`reply.ts` says what an error means, `token.ts` logs in).
 * - `library.ts`: what is taken of npm:etcd3, loaded when the first store is opened.
 * - `shim.ts`: unix sockets (`socket_folder.ts`) between the library and the members: TLS (`dial.ts`), and no GOAWAY (`goaway_gate.ts`).
 *
 * `check_etcd.ts` tries a configuration.
 *
 * @module
 */
export { type CheckedEndpoint, checkEtcd } from "./check_etcd.ts";
export { EtcdStore } from "./etcd_store.ts";
export type { EtcdOptions } from "./options.ts";
