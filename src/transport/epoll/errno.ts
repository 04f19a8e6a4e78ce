import { getSystemErrorMap } from "node:util";

/** Numbers of errno that decide something (asm-generic/errno.h; the same on x86_64 and aarch64). */
export const Errno = { EAGAIN: 11, EPIPE: 32, ECONNABORTED: 103, ECONNRESET: 104, EINPROGRESS: 115 } as const;

/**
 * The runtime's own error for a negative errno that `call` returned, as far as one is told from another; else one with the errno's
 * name as its `code`, as Node's have it.
 */
export function failure(call: string, result: number): Error {
  const [name, meaning] = getSystemErrorMap().get(result) ?? [`errno ${-result}`, "unknown error"];
  const text = `${call}: ${meaning} (${name})`;
  if (result === -Errno.ECONNRESET) return new Deno.errors.ConnectionReset(text);
  if (result === -Errno.EPIPE) return new Deno.errors.BrokenPipe(text);
  return Object.assign(new Error(text), { code: name });
}

/** What `call` returned. @throws Error when that is a negative errno */
export function must(call: string, result: number): number {
  if (result < 0) throw failure(call, result);
  return result;
}
