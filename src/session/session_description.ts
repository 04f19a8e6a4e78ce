import { findOption, type OptionName, OPTIONS, type PoolSettings } from "../config/mod.ts";
import { utf8FromBinary } from "../protocol/mod.ts";
import type { SessionView } from "./session_view.ts";
import type { SessionOptions } from "../options/mod.ts";

/** What `--!pgplex show session` answers: name and value, null for what does not apply. */
export function describeSession(
  session: SessionView,
  nowMs: number,
): readonly (readonly [string, string | null])[] {
  const { facts, destination: { key }, server } = session;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(3)}s`;
  return [
    ["id", String(facts.id)],
    ["user", facts.user],
    ["database", facts.database],
    ["cluster", key.cluster],
    ["node", session.node],
    ["server_database", key.database],
    ["pool_mode", session.poolMode],
    ["server_pid", server?.identity.key == null ? null : String(server.identity.key.pid)],
    ["pins", session.pins.length === 0 ? null : session.pins.join(", ")],
    ["prepared_statements", String(session.preparedCount)],
    ["application_name", utf8FromBinary(session.settings?.applicationName ?? "")],
    ["tls", facts.tls],
    ["protocol", `3.${facts.minor}`],
    ["connected_for", seconds(nowMs - session.connectedMs)],
  ];
}

/** Whoever has options: a session, or a client of the console. */
export interface Optioned {
  readonly options: SessionOptions;
  /** What holds without it. */
  readonly poolSettings: PoolSettings;
}

/** What `--!pgplex show options` answers: name, value, source, description. */
export function describeOptions(session: Optioned): readonly (readonly [string, string, string, string])[] {
  return OPTIONS.map((spec) => {
    const { text, source } = session.options.shown(spec, session.poolSettings);
    return [spec.name, text, source, spec.doc.replaceAll("`", "")];
  });
}

/** The value of one option that holds for a session now, as `SHOW pgplex.…` prints it. */
export function optionOf(session: Optioned, name: OptionName): string {
  return session.options.shown(findOption(name)!, session.poolSettings).text;
}
