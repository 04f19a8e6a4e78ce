import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from "yaml";
import { nearest } from "./nearest.ts";
import { formatPath, type Segments } from "./path.ts";
import type { Position, Problem } from "./problem.ts";
import { Secret } from "./secret.ts";
import type { SettingNode, SettingType } from "./setting.ts";
import { SETTINGS } from "./settings.ts";
import { describeShape, describeType, parseValue, textIn } from "./value.ts";
import type { YamlText } from "./yaml.ts";

/**
 * Reads a YAML document by the table. A value that is refused is noted in {@link problems} and {@link broken}, and its
 * default stands in for it, so that reading goes on and all problems come at once.
 */
export class Reader {
  readonly problems: Problem[] = [];
  /** What is good, and may mean something else than was meant. */
  readonly warnings: Problem[] = [];
  /** Where each value stands that the file gives, by its path. */
  readonly positions = new Map<string, Position>();
  /** Paths whose values are stand-ins: what follows from them is not a problem of its own. */
  readonly broken = new Set<string>();
  readonly #yaml: YamlText;
  readonly #file: string;

  constructor(yaml: YamlText, file: string) {
    this.#yaml = yaml;
    this.#file = file;
  }

  /** Notes a problem at the value, or at the nearest thing around it that has a place. */
  report(segments: Segments, message: string, position = this.positionOf(segments)): void {
    this.problems.push({ file: this.#file, ...position, path: formatPath(segments), message });
  }

  /** Notes what may be meant otherwise, at the value or at the nearest thing around it that has a place. */
  warn(segments: Segments, message: string): void {
    this.warnings.push({
      file: this.#file,
      ...this.positionOf(segments),
      path: formatPath(segments),
      message,
    });
  }

  positionOf(segments: Segments): Position {
    for (let length = segments.length; length > 0; length--) {
      const position = this.positions.get(formatPath(segments.slice(0, length)));
      if (position !== undefined) return position;
    }
    return { line: 1, column: 1 };
  }

  /** The value of `node`: what `found` says, or its default. */
  read(node: SettingNode, found: Node | null, segments: Segments): unknown {
    const resolved = found === null ? null : this.#yaml.resolve(found);
    if (resolved === undefined) {
      return this.#refuse(
        node,
        segments,
        "an alias (*name) that leads nowhere; put text that begins with * in quotes",
      );
    }
    const { type } = node.setting;
    switch (type.kind) {
      case "group":
        return this.#readGroup(node, type, resolved, segments);
      case "map":
        return this.#readMap(node, type, resolved, segments);
      case "list":
        return this.#readList(node, type, resolved, segments);
      default:
        return this.#readValue(node, resolved!, segments);
    }
  }

  #readGroup(
    node: SettingNode,
    type: SettingType & { kind: "group" },
    found: Node | null,
    segments: Segments,
  ) {
    if (isMap(found)) return this.#readMembers(node, this.#pairs(node, found, segments), segments);
    if (isNull(found) && type.nullable) return null;
    // A key with only comments below it, as in the example file, is a group in which nothing is set.
    if (found === null || isEmpty(found)) return this.#readMembers(node, new Map(), segments);
    if (type.shorthand !== undefined && isScalar(found)) {
      return this.#readMembers(node, new Map([[type.shorthand, found]]), segments);
    }
    return this.#refuse(node, segments, kindOf(found));
  }

  #readMembers(
    node: SettingNode,
    given: ReadonlyMap<string, Node>,
    segments: Segments,
  ): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (const [key, member] of node.members) {
      const found = given.get(key);
      const path = [...segments, key];
      if (found !== undefined) values[key] = this.read(member, found, path);
      else if (member.setting.default.kind !== "inherited") values[key] = this.#default(member, path);
      const { type } = member.setting;
      if (type.kind === "file" && type.contents !== "" && !node.members.has(type.contents)) {
        values[type.contents] = type.nullable ? null : type.holds === "key" ? new Secret("") : "";
      }
    }
    return values;
  }

  #readMap(node: SettingNode, type: SettingType & { kind: "map" }, found: Node | null, segments: Segments) {
    const values = new Map<string, unknown>();
    if (isMap(found)) {
      for (const [name, value] of this.#pairs(node, found, segments)) {
        const path = [...segments, name];
        if (textIn(type.names, name) === undefined) {
          this.report(
            path,
            `Cannot use ${formatPath(path)} as its name must be ${describeShape(type.names)}`,
          );
        }
        values.set(name, this.read(node.entry!, value, path));
      }
    } else if (found !== null && !isEmpty(found)) return this.#refuse(node, segments, kindOf(found));
    this.#atLeast(type.entriesMin, values.size, segments);
    return values;
  }

  #readList(node: SettingNode, type: SettingType & { kind: "list" }, found: Node | null, segments: Segments) {
    if (found !== null && !isSeq(found) && !isEmpty(found)) {
      return this.#refuse(node, segments, kindOf(found));
    }
    const items = isSeq(found) ? found.items as Node[] : [];
    this.#atLeast(type.entriesMin, items.length, segments);
    return items.map((item, index) => {
      const path = [...segments, index];
      this.#place(path, item.range?.[0]);
      return this.read(node.entry!, item, path);
    });
  }

  #atLeast(entriesMin: number, entries: number, segments: Segments): void {
    if (entries >= entriesMin) return;
    this.broken.add(formatPath(segments));
    this.report(
      segments,
      `Cannot use ${formatPath(segments)} as it must have at least ${entriesMin} entry: received none`,
    );
  }

  #readValue(node: SettingNode, found: Node, segments: Segments): unknown {
    const { type } = node.setting;
    // An empty place where a password belongs is most often a password that begins with # or &, and is not one then.
    if (type.kind === "secret" && isNull(found) && (isEmpty(found) || found.anchor !== undefined)) {
      return this.#refuse(
        node,
        segments,
        "nothing; text that begins with # or & must be in quotes, none is null",
      );
    }
    const raw = isScalar(found)
      ? found.value
      : isSeq(found)
      ? found.items.map((item) => this.#scalar(item))
      : undefined;
    const parsed = raw === undefined ? { expected: "" } : parseValue(type, raw);
    if ("value" in parsed) {
      if (type.kind === "duration" && typeof raw === "number" && raw !== 0) {
        this.warn(
          segments,
          `${formatPath(segments)} has no unit: ${raw} is taken for ${raw}s, as PgBouncer would`,
        );
      }
      return parsed.value;
    }
    const hint = type.kind === "choice" && typeof raw === "string" ? nearest(raw, type.values) : undefined;
    const received = nearSecret(type) ? `${kindOf(found)} (not shown)` : display(found);
    return this.#refuse(node, segments, received + (hint === undefined ? "" : `; did you mean ${hint}?`));
  }

  #scalar(item: unknown): unknown {
    const resolved = this.#yaml.resolve(item as Node);
    return isScalar(resolved) ? resolved.value : undefined;
  }

  /** The entries of a mapping by key; those with unusable or unknown keys are reported and left out. */
  #pairs(node: SettingNode, map: YAMLMap, segments: Segments): Map<string, Node> {
    const pairs = new Map<string, Node>();
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const position = this.#yaml.positionOf(pair.key.range![0]);
      const here = segments.length === 0 ? "the file" : formatPath(segments);
      if (!isScalar(pair.key) || isNull(pair.key) || pair.value === null) {
        // The key is not shown: in {name password}, without the colon, it holds the password.
        this.report(
          segments,
          `Cannot use ${here} as each entry must be "key: value": received one that is not`,
          position,
        );
        continue;
      }
      const key = String(pair.key.source ?? pair.key.value);
      if (node.setting.type.kind === "group" && !node.members.has(key)) {
        this.report([...segments, ...shownKey(node, key)], unknownKey(node, key, here), position);
        continue;
      }
      this.#place([...segments, key], startOf(pair));
      pairs.set(key, pair.value);
    }
    return pairs;
  }

  #place(segments: Segments, offset: number | undefined): void {
    if (offset !== undefined) this.positions.set(formatPath(segments), this.#yaml.positionOf(offset));
  }

  #default(node: SettingNode, segments: Segments): unknown {
    const { default: value, type } = node.setting;
    switch (value.kind) {
      case "value":
        return value.value;
      case "name":
        return segments.at(-2);
      case "required":
        if (type.kind === "map" || type.kind === "list") return this.read(node, null, segments);
        return this.#refuse(node, segments, "no such key");
      default:
        return this.read(node, null, segments);
    }
  }

  /** Reports that the value is not what the table asks for, and returns something in its place. */
  #refuse(node: SettingNode, segments: Segments, received: string): unknown {
    const { type, default: value } = node.setting;
    const path = formatPath(segments);
    this.broken.add(path);
    this.report(
      segments,
      `Cannot use ${path || "the file"} as it must be ${describeType(type)}: received ${received}`,
    );
    if (value.kind === "value") return value.value;
    switch (type.kind) {
      case "map":
        return new Map();
      case "list":
      case "texts":
        return [];
      case "group":
        return this.#standIn(node);
      default:
        return "";
    }
  }

  #standIn(node: SettingNode): Record<string, unknown> {
    const quiet = new Reader(this.#yaml, this.#file);
    return quiet.#readMembers(node, new Map(), []);
  }
}

/** Where an editor should jump: to the value when it is on the key's line, else to the key. */
function startOf(pair: Pair<Node, Node | null>): number | undefined {
  const { key, value } = pair;
  const inline = value !== null && !isEmpty(value) &&
    (!("items" in value) || ("flow" in value && value.flow));
  return (inline ? value.range?.[0] : undefined) ?? key.range?.[0];
}

function unknownKey(node: SettingNode, key: string, here: string): string {
  const [shown] = shownKey(node, key);
  const known = [...node.members.keys()];
  const near = nearest(key, known);
  const elsewhere =
    SETTINGS.map(({ path }) => path).filter((path) => path.endsWith(`.${key}`) || path === key)
      .sort((a, b) => a.length - b.length)[0];
  const expected = near !== undefined
    ? `did you mean ${near}?`
    : elsewhere !== undefined
    ? `it belongs at ${elsewhere}`
    : `expected ${known.join(", ")}`;
  return `Cannot use ${shown ?? "a key (not shown)"} in ${here} as no such key is known: ${expected}`;
}

/** The unknown key, unless it may be a password that lost its key: `{ user: app, hunter2: }`. */
function shownKey(node: SettingNode, key: string): [string] | [] {
  const nearSecrets = [...node.members.values()].some((member) => member.setting.type.kind === "secret");
  const plain = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(key);
  return plain && (!nearSecrets || nearest(key, node.members.keys()) !== undefined) ? [key] : [];
}

/** Whether people put a password here, or the text of a private key, by mistake or by intent. */
function nearSecret(type: SettingType): boolean {
  return type.kind === "secret" || type.kind === "env" || type.kind === "file";
}

function isNull(node: Node | null): node is Node & { value: null } {
  return isScalar(node) && node.value === null;
}

/** Whether nothing at all is written where the value should stand. */
function isEmpty(node: Node): boolean {
  return isNull(node) && "source" in node && !node.source;
}

function kindOf(node: Node): string {
  if (isMap(node)) return "a mapping";
  if (isSeq(node)) return "a list";
  if (!isScalar(node) || node.value === null) return isEmpty(node) ? "nothing" : "null";
  return typeof node.value === "string" ? "text" : `a ${typeof node.value}`;
}

/** What stands there, for a message; never called for secrets, nor for groups, in which secrets may be. */
function display(node: Node): string {
  if (!isScalar(node) || node.value === null) return kindOf(node);
  const text = typeof node.value === "string"
    ? JSON.stringify(node.value)
    : String(node.source ?? node.value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
