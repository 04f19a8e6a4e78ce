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
