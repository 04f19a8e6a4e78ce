/**
 * How several instances agree: who is there, who may let transactions begin on a primary and until when, who leads, and what each has
 * acknowledged. Pure: what they share goes through a {@link KeyStore}, which `coordination/` binds to etcd, and the simulator to a model.
 *
 * @module
 */
export * from "./key_store.ts";
export * from "./membership.ts";
export * from "./roll.ts";
export * from "./sight.ts";
export * from "./values.ts";
export * from "./requests.ts";
export * from "./shared_coordination.ts";
