/** Where a process runs: an address of its own in a network namespace of Linux, as if on a machine of its own. */
export interface Place {
  readonly host: string;
  /** As `ip netns list` has it. */
  readonly namespace: string;
}

/** The command that becomes another one in a place; the process id stays. Without a place it is the same command. */
export function commandIn(place: Place | undefined, command: readonly string[]): string[] {
  return place === undefined ? [...command] : ["ip", "netns", "exec", place.namespace, ...command];
}

/** Where a process listens that was given no place. */
export const LOOPBACK = "127.0.0.1";
