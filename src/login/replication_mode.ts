import { PgplexError } from "../kernel/mod.ts";
import { type BinaryString, utf8FromBinary } from "../protocol/mod.ts";

/** As ProcessStartupPacket reads `replication`: a boolean as PostgreSQL spells it, or "database". Null: an ordinary client. */
export function replicationMode(value: BinaryString | undefined): "physical" | "logical" | null {
  if (value === undefined) return null;
  if (value === "database") return "logical";
  const text = value.toLowerCase();
  const isPrefix = (word: string, least: number) => text.length >= least && word.startsWith(text);
  if (isPrefix("true", 1) || isPrefix("yes", 1) || text === "on" || text === "1") return "physical";
  if (isPrefix("false", 1) || isPrefix("no", 1) || isPrefix("off", 2) || text === "0") return null;
  throw new PgplexError(
    "invalid_authorization",
    `invalid value for parameter "replication": "${utf8FromBinary(value)}"`,
    {
      sqlstate: "22023",
      hint: 'Valid values are: "false", 0, "true", 1, "database".',
    },
  );
}
