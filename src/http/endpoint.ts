import { AssertionFailure, type Clock, type Timer } from "../kernel/mod.ts";
import type { Config, HttpConfig, HttpPart } from "../config/mod.ts";
import type { Console, ConsoleTable, Table } from "../console/mod.ts";
import type { LoginParts } from "../login/mod.ts";
import type { Log } from "../telemetry/mod.ts";
import { Access } from "./access.ts";
import { CONTENT_TYPES, formOf } from "./exposition.ts";
import { unreadiness } from "./health.ts";
import { feedMeter, type Meter } from "./meters.ts";
import { Metrics, type MetricsParts } from "./metrics.ts";
import page from "./status.html" with { type: "text" };

/** How soon an address that another pgplex still has is tried again. */
const RETRY_MS = 500;

/** Rows of a table that the status page gets at most. */
const ROWS_MAX = 200;

/** The tables of the status page. */
const STATUS_TABLES = [
  "clusters",
  "nodes",
  "pools",
  "pins",
  "failovers",
] as const satisfies readonly ConsoleTable[];

/** Nothing is loaded from elsewhere, and nobody may put the page into another one. */
const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** What the endpoint shows, and by what. */
export interface EndpointParts {
  readonly worker: LoginParts;
  readonly console: Console;
  readonly instances: MetricsParts["instances"];
  readonly version: string;
  readonly log: Log;
  readonly clock: Clock;
}

/** The HTTP endpoint of a process. */
export class HttpEndpoint {
  readonly #parts: EndpointParts;
  readonly #access: Access;
  readonly #metrics: Metrics;
  #server: Deno.HttpServer | null = null;
  #retry: Timer | null = null;
  /** What the server was started with. */
  #served: HttpConfig | null = null;

  constructor(parts: EndpointParts) {
    const { worker, console, clock } = parts;
    this.#parts = parts;
    this.#metrics = new Metrics(parts);
    this.#access = new Access({
      authType: () => worker.config.auth.type,
      mayLook: (user) => console.mayLook(user),
      secretOf: (user) => worker.users.lookup(user),
      nowMs: () => clock.nowMs(),
    });
  }

  /**
   * Listens as the configuration says, or not at all. Where several processes share an address for clients (`reuse_port`), one that is taken is
   * tried again until the process that has it gives way.
   *
   * @throws Error where the address cannot be had
   */
  start({ http, listen }: Config): void {
    this.#served = http;
    if (http === null) return;
    try {
      this.#server = this.#listen(http);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || !listen.reuse_port) {
        throw new Error(
          `http ${http.address}:${http.port}: ${error instanceof Error ? error.message : error}`,
        );
      }
      this.#retryLater(http);
    }
  }

  /** Another configuration is in force. Where its address cannot be had the log says so, and nothing is served. */
  configure(config: Config): void {
    const { http } = config;
    if (http !== null && this.#served !== null && listensAlike(http, this.#served)) {
      this.#served = http;
      return;
    }
    this.stop();
    try {
      this.start(config);
    } catch (error) {
      this.#parts.log.error("the HTTP endpoint cannot listen", { error: String(error) });
    }
  }

  /** Serves nobody any more. */
  stop(): void {
    this.#retry?.cancel();
    this.#retry = null;
    void this.#server?.shutdown().catch(() => {});
    this.#server = null;
  }

  /** Gives a meter the metrics, whether or not they are served too. */
  feed(meter: Meter): void {
    const decoder = new TextDecoder();
    feedMeter(meter, () => decoder.decode(this.#metrics.text("prometheus")));
  }

  #retryLater(http: HttpConfig): void {
    this.#retry = this.#parts.clock.after(RETRY_MS, () => {
      try {
        this.#server = this.#listen(http);
      } catch {
        this.#retryLater(http);
      }
    });
  }

  #listen(http: HttpConfig): Deno.HttpServer {
    const { log } = this.#parts;
    const { address: hostname, port, tls } = http;
    return Deno.serve({
      hostname,
      port,
      ...(tls === null ? {} : { cert: tls.cert_pem, key: tls.key_pem.reveal() }),
      onListen: () =>
        log.info("the HTTP endpoint listens", { address: `${hostname}:${port}`, tls: tls !== null }),
      onError: (error) => {
        log.error("internal error", { error: String(error instanceof Error ? error.stack : error) });
        return new Response("internal error\n", { status: 500 });
      },
    }, (request) => this.#answer(request));
  }

  #answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    const part = partOf(pathname);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return text("only GET\n", 405, { allow: "GET, HEAD" });
    }
    const isPublic = part !== null && this.#served?.public.includes(part);
    if (!isPublic) {
      switch (this.#access.check(request.headers.get("authorization"))) {
        case "denied":
          return text("a user of pgplex's console is needed\n", 401, {
            "www-authenticate": 'Basic realm="pgplex", charset="UTF-8"',
          });
        case "busy":
          return text("too many wrong passwords\n", 429, { "retry-after": "1" });
      }
    }
    if (part === null) return text("there is /, /metrics, /health/live and /health/ready\n", 404);
    return this.#show(pathname, request);
  }

  #show(pathname: string, request: Request): Response {
    const { worker, console, version, clock } = this.#parts;
    switch (pathname) {
      case "/health/live":
        return text("live\n", 200);
      case "/health/ready": {
        const reason = unreadiness(worker.config, worker.topology.current, worker.draining);
        return reason === null ? text("ready\n", 200) : text(`not ready: ${reason}\n`, 503);
      }
      case "/metrics": {
        const form = formOf(request.headers.get("accept"));
        // A Response takes a copy of its bytes.
        return text(this.#metrics.text(form), 200, { "content-type": CONTENT_TYPES[form] });
      }
      case "/":
        return text(page, 200, { "content-type": "text/html; charset=utf-8" });
      case "/status.json": {
        const tables = Object.fromEntries(STATUS_TABLES.map((name) => [name, shown(console.table(name))]));
        const { sessions, counters } = worker;
        const status = {
          version,
          instance: worker.config.instance.id,
          ready: unreadiness(worker.config, worker.topology.current, worker.draining),
          atMs: clock.wallMs(),
          clients: sessions.size,
          accepted: counters.accepted,
          tables,
        };
        return text(JSON.stringify(status), 200, { "content-type": "application/json" });
      }
      default:
        throw new AssertionFailure(`no answer for ${pathname}`);
    }
  }
}

/** Whether a server that was started for one does for the other. */
function listensAlike(a: HttpConfig, b: HttpConfig): boolean {
  const tls = ({ tls }: HttpConfig) => tls === null ? null : `${tls.cert_pem}\n${tls.key_pem.reveal()}`;
  return a.address === b.address && a.port === b.port && tls(a) === tls(b);
}

/** What of the endpoint a path belongs to; null: there is no such path. */
function partOf(pathname: string): HttpPart | null {
  switch (pathname) {
    case "/health/live":
    case "/health/ready":
      return "health";
    case "/metrics":
      return "metrics";
    case "/":
    case "/status.json":
      return "status";
    default:
      return null;
  }
}

/** A table for the page: its columns' names, its first rows, and how many there are. */
function shown({ columns, rows }: Table): { columns: string[]; rows: (string | null)[][]; total: number } {
  return {
    columns: columns.map(({ name }) => name),
    rows: rows.slice(0, ROWS_MAX).map((row) => row.map((cell) => cell === null ? null : String(cell))),
    total: rows.length,
  };
}

function text(
  body: string | Uint8Array<ArrayBuffer>,
  status: number,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...HEADERS, ...headers },
  });
}
