/** What a socket that this end has closed answers to every call. */
export function socketClosed(): Error {
  return new Deno.errors.BadResource("the socket is closed");
}

/**
 * Whether a stream threw it: the peer is gone, or the network between, or this end closed it. Anything else is a defect. The
 * runtime's errors are kinds of `Deno.errors`; those of node:tls and of system calls have a `code`.
 */
export function isSocketError(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  return ("code" in thrown && typeof thrown.code === "string") ||
    Object.values(Deno.errors).some((kind) => thrown instanceof kind);
}

/** Whether opening a connection failed as nothing listens there: the port refuses, or the socket's file does not exist. */
export function isRefusedConnection(thrown: unknown): boolean {
  if (thrown instanceof Deno.errors.ConnectionRefused || thrown instanceof Deno.errors.NotFound) return true;
  return thrown instanceof Error && "code" in thrown &&
    (thrown.code === "ECONNREFUSED" || thrown.code === "ENOENT");
}
