/** Type bytes of the messages that a client sends ("Message Formats", those marked F). */
export const Front = {
  Bind: 0x42, // B
  Close: 0x43, // C
  CopyData: 0x64, // d
  CopyDone: 0x63, // c
  CopyFail: 0x66, // f
  Describe: 0x44, // D
  Execute: 0x45, // E
  Flush: 0x48, // H
  FunctionCall: 0x46, // F
  Parse: 0x50, // P
  Password: 0x70, // p, also SASLInitialResponse and SASLResponse
  Query: 0x51, // Q
  Sync: 0x53, // S
  Terminate: 0x58, // X
} as const;

/** Type bytes of the messages that a server sends (those marked B). */
export const Back = {
  Authentication: 0x52, // R
  BackendKeyData: 0x4b, // K
  BindComplete: 0x32, // 2
  CloseComplete: 0x33, // 3
  CommandComplete: 0x43, // C
  CopyBothResponse: 0x57, // W
  CopyData: 0x64, // d
  CopyDone: 0x63, // c
  CopyInResponse: 0x47, // G
  CopyOutResponse: 0x48, // H
  DataRow: 0x44, // D
  EmptyQueryResponse: 0x49, // I
  ErrorResponse: 0x45, // E
  FunctionCallResponse: 0x56, // V
  NegotiateProtocolVersion: 0x76, // v
  NoData: 0x6e, // n
  NoticeResponse: 0x4e, // N
  NotificationResponse: 0x41, // A
  ParameterDescription: 0x74, // t
  ParameterStatus: 0x53, // S
  ParseComplete: 0x31, // 1
  PortalSuspended: 0x73, // s
  ReadyForQuery: 0x5a, // Z
  RowDescription: 0x54, // T
} as const;

/** The status byte of ReadyForQuery: idle, in a transaction, in a failed transaction. */
export const TxStatus = {
  Idle: 0x49, // I
  InTransaction: 0x54, // T
  Failed: 0x45, // E
} as const;

/** Type byte and length. The length counts itself but not the type byte. */
export const HEADER_BYTES = 5;

/** PQ_SMALL_MESSAGE_LIMIT in PostgreSQL's libpq/libpq.h. */
export const SMALL_MESSAGE_MAX = 10_000;

/** PQ_LARGE_MESSAGE_LIMIT: MaxAllocSize - 1, from utils/memutils.h. */
export const LARGE_MESSAGE_MAX = 0x3fffffff - 1;

/** PG_MAX_AUTH_TOKEN_LENGTH in PostgreSQL's libpq/auth.h: the longest message while a client authenticates. */
export const AUTH_MESSAGE_MAX = 65_535;
