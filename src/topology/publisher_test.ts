import { deepStrictEqual as deepEqual } from "node:assert/strict";
import { TopologyPublisher } from "./publisher.ts";
import { NO_TOPOLOGY, type TopologySnapshot } from "./snapshot.ts";

const SECOND: TopologySnapshot = { ...NO_TOPOLOGY, serial: 1 };
const THIRD: TopologySnapshot = { ...NO_TOPOLOGY, serial: 2 };

Deno.test("TopologyPublisher replaces the snapshot as a whole, and leaves an old one as it was", () => {
  const publisher = new TopologyPublisher(NO_TOPOLOGY);
  const seen = publisher.current;
  publisher.publish(SECOND);
  deepEqual([seen, publisher.current], [NO_TOPOLOGY, SECOND]);
});

Deno.test("TopologyPublisher tells subscribers in order, with the new snapshot in force and the old one beside it", () => {
  const publisher = new TopologyPublisher(NO_TOPOLOGY);
  const heard: unknown[] = [];
  publisher.subscribe((now, before) =>
    heard.push(["a", now.serial, before.serial, publisher.current.serial])
  );
  publisher.subscribe((now) => heard.push(["b", now.serial]));
  publisher.publish(SECOND);
  deepEqual(heard, [["a", 1, 0, 1], ["b", 1]]);
});

Deno.test("TopologyPublisher tells nothing to whoever has taken the subscription back, even while others are told", () => {
  const publisher = new TopologyPublisher(NO_TOPOLOGY);
  const heard: string[] = [];
  const stops: (() => void)[] = [];
  stops.push(publisher.subscribe(() => {
    heard.push("a");
    for (const stop of stops) stop();
  }));
  stops.push(publisher.subscribe(() => heard.push("b")));
  publisher.publish(SECOND);
  publisher.publish(THIRD);
  deepEqual(heard, ["a", "b"]);
});
