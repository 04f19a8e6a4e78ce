/** Printed behind each command, so that its end is seen. */
const END = "::end of the answer::";

/** A psql that stays open, as a person has it: one command at a time, standard error between the rest. */
export class PsqlTerminal {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reading: Promise<void>;
  readonly #deadlineMs: number;
  #text = "";
  #over = false;
  #wake: () => void = () => {};

  constructor(args: string[], env: Record<string, string> = {}, deadlineMs = 10_000) {
    this.#deadlineMs = deadlineMs;
    const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("PG"));
    this.#child = new Deno.Command("sh", {
      args: ["-c", 'exec psql -X "$@" 2>&1', "sh", ...args],
      env: { ...Object.fromEntries(inherited), LC_ALL: "C.UTF-8", PGCONNECT_TIMEOUT: "10", ...env },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#reading = this.#read();
  }

  /** Types a command, and does not wait for its answer. */
  async send(command: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${command}\n\\echo ${END}\n`));
  }

  /** The answer to the command that was sent the longest ago. */
  async answer(): Promise<string> {
    const failure = () => new Error(`psql gave no answer. It said:\n${this.#text}`);
    const deadline = performance.now() + this.#deadlineMs;
    for (;;) {
      const end = this.#text.indexOf(`${END}\n`);
      if (end >= 0) {
        const answer = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + END.length + 1);
        return answer;
      }
      // Without a person in front of it, psql ends with its connection.
      if (this.#over && this.#text !== "") return this.#text;
      const leftMs = deadline - performance.now();
      if (this.#over || leftMs <= 0) throw failure();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, leftMs);
      await promise;
      clearTimeout(timer);
    }
  }

  /** {@link send} and {@link answer}. */
  async run(command: string): Promise<string> {
    await this.send(command);
    return await this.answer();
  }

  async close(): Promise<void> {
    await this.#writer.close().catch(() => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), this.#deadlineMs);
    await this.#child.status;
    clearTimeout(timer);
    await this.#reading;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of this.#child.stdout) {
      this.#text += decoder.decode(chunk, { stream: true });
      this.#wake();
    }
    this.#over = true;
    this.#wake();
  }
}
