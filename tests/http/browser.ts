import { Daemon, freePort, tempDir, waitFor } from "../harness/mod.ts";

/** What the page's own program reported: errors, warnings, and loads that failed. */
export interface Complaint {
  readonly source: string;
  readonly text: string;
}

/** One page in Debian's Chromium without a window, driven by the DevTools protocol. */
export class Browser implements AsyncDisposable {
  readonly complaints: Complaint[] = [];
  readonly #daemon: Daemon;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: Record<string, unknown>) => void>();
  #id = 0;

  private constructor(daemon: Daemon, socket: WebSocket) {
    this.#daemon = daemon;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#heard(JSON.parse(data)));
  }

  static async start(): Promise<Browser> {
    const port = freePort();
    const dir = (await tempDir("pgplex-browser-")).path;
    const daemon = await Daemon.start({
      what: "Chromium",
      command: "chromium",
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        `--remote-debugging-port=${port}`,
        `--user-data-dir=${dir}/profile`,
        "--window-size=1280,1400",
        "about:blank",
      ],
      env: { HOME: dir },
      dir,
      ready: async () => (await targets(port)).length > 0,
    });
    const [target] = await targets(port);
    const socket = new WebSocket(target!.webSocketDebuggerUrl);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", reject);
    });
    const browser = new Browser(daemon, socket);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await browser.send(`${domain}.enable`);
    return browser;
  }

  /** Sends one command of the protocol. */
  send(method: string, params: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    const id = ++this.#id;
    this.#socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  /** The value of an expression in the page. */
  async value(expression: string): Promise<unknown> {
    const { result } = await this.send("Runtime.evaluate", { expression, returnByValue: true }) as {
      result?: { value?: unknown };
    };
    return result?.value;
  }

  async waitForValue(expression: string, wanted: (value: unknown) => boolean): Promise<unknown> {
    let last: unknown;
    await waitFor(async () => wanted(last = await this.value(expression)), {
      what: `${expression}, which is ${JSON.stringify(last)}`,
    });
    return last;
  }

  /** A picture of the page, as PNG. */
  async picture(): Promise<Uint8Array> {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Uint8Array.from(atob(data as string), (char) => char.charCodeAt(0));
  }

  #heard(message: Record<string, unknown>): void {
    const { id, method, result, params } = message as {
      id?: number;
      method?: string;
      result?: Record<string, unknown>;
      params?: Record<string, Record<string, unknown>>;
    };
    if (id !== undefined) {
      this.#waiting.get(id)?.(result ?? {});
      this.#waiting.delete(id);
    } else if (method === "Log.entryAdded" || method === "Runtime.exceptionThrown") {
      this.complaints.push({ source: method, text: JSON.stringify(params) });
    } else if (method === "Runtime.consoleAPICalled" || method === "Network.loadingFailed") {
      this.complaints.push({ source: method, text: JSON.stringify(params) });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#socket.addEventListener("close", resolve));
    this.#socket.close();
    await closed;
    await this.#daemon[Symbol.asyncDispose]();
  }
}

async function targets(port: number): Promise<{ webSocketDebuggerUrl: string }[]> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/json/list`);
    return (await response.json()).filter(({ type }: { type: string }) => type === "page");
  } catch {
    return [];
  }
}
