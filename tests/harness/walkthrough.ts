/** One thing that happens in a terminal of a walk-through. */
export interface WalkStep {
  readonly terminal: string;
  /** Where it stands in the document, from 1. */
  readonly line: number;
  /** `open` starts psql, `run` is a command with its output, `waits` one without, whose `answer` comes in a later block. */
  readonly kind: "open" | "run" | "waits" | "answer";
  readonly input: string;
  readonly output: string;
}

/** What a document's section says: a configuration, and what is typed where. */
export interface Walkthrough {
  readonly config: string;
  readonly steps: readonly WalkStep[];
}

/** psql's prompt, with the command behind it. */
const PROMPT = /^\w+[=^!-][*!?]?[#>] (.*)$/;

/**
 * Reads the section under the heading `## title` of a Markdown document: one block of `yaml`, and blocks of `psql NAME`, each
 * what the terminal of that name shows next.
 */
export function readWalkthrough(text: string, title: string): Walkthrough {
  const lines = text.split("\n");
  const start = lines.indexOf(`## ${title}`);
  if (start < 0) throw new Error(`The document has no section "${title}"`);
  let config: string | null = null;
  const steps: WalkStep[] = [];
  for (let at = start + 1; at < lines.length && !lines[at]!.startsWith("## "); at++) {
    const fence = /^```(\w+) ?(\w*)$/.exec(lines[at]!);
    if (fence === null) continue;
    const begin = at + 1;
    while (lines[++at] !== "```") {
      if (at >= lines.length) throw new Error(`line ${begin}: a block does not end`);
    }
    const block = lines.slice(begin, at);
    const [, language, name] = fence;
    if (language === "yaml") config = block.join("\n");
    else if (language === "psql" && name !== "") steps.push(...readBlock(block, name!, begin + 1));
    else throw new Error(`line ${begin}: a block is neither yaml nor psql of some terminal`);
  }
  if (config === null) throw new Error(`The section "${title}" has no configuration`);
  return { config, steps };
}

function readBlock(block: readonly string[], terminal: string, firstLine: number): WalkStep[] {
  const steps: { kind: "open" | "run" | "answer"; input: string; line: number; output: string[] }[] = [];
  for (const [index, text] of block.entries()) {
    const line = firstLine + index;
    const prompt = PROMPT.exec(text);
    if (text.startsWith("$ ")) steps.push({ kind: "open", input: text.slice(2), line, output: [] });
    else if (prompt !== null) steps.push({ kind: "run", input: prompt[1]!, line, output: [] });
    else if (steps.length === 0) steps.push({ kind: "answer", input: "", line, output: [text] });
    else steps.at(-1)!.output.push(text);
  }
  return steps.map(({ kind, output, ...step }, index) => {
    const waits = kind === "run" && output.length === 0 && index === steps.length - 1;
    return { ...step, terminal, kind: waits ? "waits" : kind, output: output.join("\n") };
  });
}
