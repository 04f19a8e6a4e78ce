import {
  choice,
  duration,
  env,
  file,
  group,
  NULL,
  nullableGroup,
  REQUIRED,
  type Row,
  secret,
  text,
  texts,
} from "./rows.ts";
import type { SettingPath } from "./schema.ts";

const SECOND = 1_000;

/** The keys of `coordination`. What was agreed on with others by one of them cannot be agreed on by another: all take a restart. */
export const COORDINATION_ROWS = restart(
  {
    "coordination": nullableGroup("How several instances agree, by etcd; null: this one decides alone."),
    "coordination.etcd": group("The etcd that they share."),
    "coordination.etcd.endpoints": {
      ...texts([], "Its members: http://HOST:PORT or https://HOST:PORT, one or a list."),
      default: REQUIRED,
    },
    "coordination.etcd.prefix": text(
      "absolute",
      { kind: "value", value: "/pgplex/" },
      "What each key there begins with; instances that serve the same clusters have the same one.",
    ),
    "coordination.etcd.tls": group("TLS towards its members, where their endpoints are https."),
    "coordination.etcd.tls.ca_file": file(
      "certificate",
      "ca_pem",
      "Authorities that sign its certificates; null: those that the runtime brings.",
    ),
    "coordination.etcd.tls.cert_file": file(
      "certificate",
      "cert_pem",
      "Certificate that pgplex shows to it; null for none.",
    ),
    "coordination.etcd.tls.key_file": file(
      "key",
      "key_pem",
      "Private key of that certificate, not encrypted.",
    ),
    "coordination.etcd.user": text("user", NULL, "Its user for pgplex, or null where it asks for none."),
    "coordination.etcd.password": secret("That user's password."),
    "coordination.etcd.password_file": file(
      "secret",
      "password",
      "A file that holds the password and nothing else.",
    ),
    "coordination.etcd.password_env": env("password", "An environment variable that holds the password."),
    "coordination.lease_ttl": duration(
      10 * SECOND,
      "How long what an instance was allowed holds without etcd; whole seconds, the same for all instances.",
      2 * SECOND,
    ),
    "coordination.advertise": text(
      "any",
      NULL,
      "Where other instances reach this one: HOST:PORT; null: nowhere.",
    ),
    "coordination.failsafe": choice(
      ["off", "witness"],
      "off",
      "Whether a primary whose standbys all still follow it goes on being served while etcd is away.",
    ),
  } satisfies Partial<Record<SettingPath, Row>>,
);

function restart<Path extends string>(rows: Record<Path, Row>): Record<Path, Row> {
  const restarting = Object.entries<Row>(rows).map(([path, row]) => [path, { ...row, reload: "restart" }]);
  return Object.fromEntries(restarting) as Record<Path, Row>;
}
