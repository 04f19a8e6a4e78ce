import {
  binaryFromUtf8,
  encodeBackendKeyData,
  encodeParameterStatus,
  encodeReadyForQuery,
  TxStatus,
} from "../../protocol/mod.ts";
import { IMITATED_VERSION } from "../drivers/mod.ts";

/** The settings that PostgreSQL reports at connect, with the console's values. */
const REPORTED: readonly (readonly [string, string])[] = [
  ["server_encoding", "UTF8"],
  ["client_encoding", "UTF8"],
  ["DateStyle", "ISO, MDY"],
  ["IntervalStyle", "postgres"],
  ["TimeZone", "UTC"],
  ["integer_datetimes", "on"],
  ["standard_conforming_strings", "on"],
  ["in_hot_standby", "off"],
  ["default_transaction_read_only", "off"],
];

/** The client that is greeted. */
export interface Greeted {
  readonly user: string;
  readonly admin: boolean;
  readonly applicationName: string;
}

/** The key of the client's cancel requests, and pgplex's version. */
export interface Greeter {
  readonly version: string;
  readonly pid: number;
  readonly secret: Uint8Array;
}

/** The messages behind AuthenticationOk: ParameterStatus, BackendKeyData, ReadyForQuery. */
export function greeting(
  { user, admin, applicationName }: Greeted,
  { version, pid, secret }: Greeter,
): Uint8Array[] {
  return [
    parameterStatus("server_version", `${IMITATED_VERSION} (pgplex ${version})`),
    ...REPORTED.map(([name, value]) => parameterStatus(name, value)),
    parameterStatus("is_superuser", admin ? "on" : "off"),
    parameterStatus("session_authorization", user),
    parameterStatus("application_name", applicationName),
    encodeBackendKeyData(pid, secret),
    encodeReadyForQuery(TxStatus.Idle),
  ];
}

/** A ParameterStatus of a text. */
export function parameterStatus(name: string, value: string): Uint8Array {
  return encodeParameterStatus(name, binaryFromUtf8(value));
}
