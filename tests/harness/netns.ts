import { type Place, run } from "./mod.ts";

/** How two places lose each other: packets vanish, or their sender is told that there is no way. */
export type CutKind = "silent" | "unreachable";

/** Nobody's: what is sent there is dropped by whoever hears it. */
const NOBODY = "02:00:00:00:00:01";

/** A name of {@link Network}; the number is the process that made it. */
const OWNED = /^px(\d+)n\d+/;

let made = 0;

/**
 * A network of its own on this machine: a bridge that this process is on, and places, each a network namespace with its own address.
 * What two places say to each other can be cut off, while this process reaches them all.
 *
 * Needs root and `ip` of iproute2.
 */
export class Network implements AsyncDisposable {
  readonly #name: string;
  readonly #prefix: string;
  readonly #places: Place[] = [];
  /** How pairs are cut, by their namespaces. */
  readonly #cuts = new Map<string, CutKind>();

  private constructor(name: string, prefix: string) {
    this.#name = name;
    this.#prefix = prefix;
  }

  /** Why there can be none here; "" where there can. */
  static async missing(): Promise<string> {
    const probe = `px${Deno.pid}n${++made}`;
    try {
      await run("ip", { args: ["netns", "add", probe] });
      await run("ip", { args: ["netns", "delete", probe] });
      return "";
    } catch (thrown) {
      return `network namespaces need Linux, root and iproute2: ${(thrown as Error).message}`;
    }
  }

  static async create(): Promise<Network> {
    await sweep();
    const taken = await run("ip", { args: ["-o", "-4", "address"] });
    let prefix: string;
    do prefix = `10.${200 + below(50)}.${below(256)}`; while (taken.includes(` ${prefix}.`));
    const network = new Network(`px${Deno.pid}n${++made}`, prefix);
    try {
      await ip([], [
        `link add ${network.#name} type bridge`,
        `address add ${prefix}.1/24 dev ${network.#name}`,
        `link set ${network.#name} up`,
      ]);
      return network;
    } catch (thrown) {
      await network[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** A new place. */
  async place(): Promise<Place> {
    const number = this.#places.length + 2;
    const namespace = `${this.#name}-${number}`;
    const place = { host: `${this.#prefix}.${number}`, namespace };
    const outside = this.#outside(number);
    this.#places.push(place);
    await ip([], [
      `netns add ${namespace}`,
      `link add ${outside} type veth peer name eth0 netns ${namespace}`,
      `link set ${outside} master ${this.#name} up`,
    ]);
    await ip(["-n", namespace], [
      "link set lo up",
      `address add ${place.host}/24 dev eth0`,
      "link set eth0 up",
    ]);
    return place;
  }

  /** The end of a place's cable that is on the bridge. */
  #outside(number: number): string {
    return `${this.#name}v${number}`;
  }

  async places(count: number): Promise<Place[]> {
    const places: Place[] = [];
    while (places.length < count) places.push(await this.place());
    return places;
  }

  /** Cuts two places off from each other, both ways; of a pair that is cut already nothing changes. */
  async cut(a: Place, b: Place, kind: CutKind): Promise<void> {
    const pair = pairOf(a, b);
    if (this.#cuts.has(pair)) return;
    this.#cuts.set(pair, kind);
    await both(
      a,
      b,
      (other) =>
        kind === "silent"
          ? `neighbor replace ${other.host} lladdr ${NOBODY} dev eth0 nud permanent`
          : `route add unreachable ${other.host}/32`,
    );
  }

  async mend(a: Place, b: Place): Promise<void> {
    const pair = pairOf(a, b);
    const kind = this.#cuts.get(pair);
    if (kind === undefined) return;
    this.#cuts.delete(pair);
    await both(
      a,
      b,
      (other) =>
        kind === "silent"
          ? `neighbor delete ${other.host} dev eth0`
          : `route delete unreachable ${other.host}/32`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [at, { namespace }] of this.#places.entries()) {
      // A process that is not quite gone keeps its namespace, which would keep this name taken.
      await removed("link", this.#outside(at + 2));
      await removed("netns", namespace);
    }
    await removed("link", this.#name);
  }
}

function pairOf(a: Place, b: Place): string {
  return [a.namespace, b.namespace].sort().join(" ");
}

async function both(a: Place, b: Place, line: (other: Place) => string): Promise<void> {
  await Promise.all([ip(["-n", a.namespace], [line(b)]), ip(["-n", b.namespace], [line(a)])]);
}

/** Removes what processes have left that were killed. */
async function sweep(): Promise<void> {
  const isLeft = (name: string) => {
    const [, pid] = OWNED.exec(name) ?? [];
    return pid !== undefined && !alive(pid);
  };
  const namespaces = (await run("ip", { args: ["netns", "list"] })).split("\n").map((line) =>
    line.split(" ")[0]!
  );
  for (const name of namespaces.filter(isLeft)) await removed("netns", name);
  for (const type of ["veth", "bridge"]) {
    const links = (await run("ip", { args: ["-o", "link", "show", "type", type] })).split("\n")
      .map((line) => line.split(": ")[1]?.split("@")[0] ?? "");
    for (const name of links.filter(isLeft)) await removed("link", name);
  }
}

/** One that is not there is no error. */
async function removed(kind: "netns" | "link", name: string): Promise<void> {
  await run("ip", { args: [kind, "delete", name] }).catch(() => {});
}

function alive(pid: string): boolean {
  try {
    Deno.statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}

async function ip(options: string[], lines: string[]): Promise<void> {
  for (const line of lines) await run("ip", { args: [...options, ...line.split(" ")] });
}

function below(end: number): number {
  return Math.floor(Math.random() * end);
}
