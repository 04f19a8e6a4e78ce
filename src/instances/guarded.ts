import type { CoordinationListener } from "../arbiter/mod.ts";

/** A listener of which no call throws: a defect in one cluster's part is told, and ends neither renewals nor what the others hear. */
export function guarded(
  listener: CoordinationListener,
  failed: (thrown: unknown) => void,
): CoordinationListener {
  const guard = <T extends readonly unknown[]>(call: (...told: T) => void) => (...told: T): void => {
    try {
      call(...told);
    } catch (thrown) {
      failed(thrown);
    }
  };
  return {
    standing: guard(() => listener.standing()),
    record: guard((stored) => listener.record(stored)),
    lost: guard((how) => listener.lost(how)),
    storeBeganAnew: guard(() => listener.storeBeganAnew()),
    misunderstood: guard((why) => listener.misunderstood(why)),
    instances: guard((ids) => listener.instances(ids)),
    acknowledged: guard((acknowledgement) => listener.acknowledged(acknowledgement)),
    views: guard((views) => listener.views(views)),
    command: async (command, by) => {
      try {
        return await listener.command(command, by);
      } catch (thrown) {
        failed(thrown);
        return { ok: false, text: "a defect has ended this attempt: see the log, and SHOW FAILOVERS" };
      }
    },
  };
}
