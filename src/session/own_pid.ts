import { int32At, putInt32 } from "../protocol/mod.ts";

/** Puts the process id that a client knows as its own in the place of its server connection's, if that stands at `at`. */
export function nameOwnPid(
  bytes: Uint8Array,
  at: number,
  server: { readonly pid: number } | null,
  client: { readonly pid: number },
): void {
  if (server !== null && int32At(bytes, at) === server.pid) putInt32(bytes, at, client.pid);
}
