/** What came of a call to one member. */
export type Reply<T> =
  | { readonly kind: "answered"; readonly value: T }
  /** Nothing was sent: another member may be asked. */
  | { readonly kind: "unsent"; readonly reason: string }
  /** etcd says that it did not do it. */
  | { readonly kind: "refused"; readonly reason: string; readonly code: number }
  /** It may have been done, or may still be. `code` is gRPC's, null where none came. */
  | { readonly kind: "lost"; readonly reason: string; readonly code: number | null };

/** gRPC's status codes, https://grpc.io/docs/guides/status-codes/, by which etcd refuses before it changes anything. */
const REFUSALS: ReadonlySet<number> = new Set([
  3, // INVALID_ARGUMENT
  5, // NOT_FOUND
  7, // PERMISSION_DENIED
  9, // FAILED_PRECONDITION
  11, // OUT_OF_RANGE
  16, // UNAUTHENTICATED
]);
const UNAUTHENTICATED = 16;

/** How etcd's own errors begin; others of the same codes come from gRPC, which may not know what became of the call. */
const ETCD = /^etcdserver: /;
/** rpctypes/error.go: the token ended, or was made before rights changed, or was left away as authentication was off then. */
const TOKEN = /invalid auth token|revision of auth store is old|user name is empty/;

/** What an error of gRPC's says of the call. */
export function replyOf(
  { code, details }: { readonly code: number; readonly details: string },
): Reply<never> {
  const reason = details.replaceAll(/\s+/g, " ") || `gRPC error ${code}`;
  return ETCD.test(details) && REFUSALS.has(code)
    ? { kind: "refused", reason, code }
    : { kind: "lost", reason, code };
}

/** Whether a call was refused for its token: with another one it may be sent again. */
export function isAboutToken({ code, reason }: { readonly code: number; readonly reason: string }): boolean {
  return code === UNAUTHENTICATED || TOKEN.test(reason);
}
