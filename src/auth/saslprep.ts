import { saslprep } from "@mongodb-js/saslprep";

// deno-lint-ignore no-control-regex -- ASCII is exactly this range, control characters included.
const ASCII = /^[\x00-\x7f]*$/;

/**
 * A password in the form from which SCRAM keys are derived: SASLprep (RFC 4013), or as it is where SASLprep refuses it.
 *
 * That is PostgreSQL's rule on both sides (pg_saslprep and its callers in scram-common.c): ASCII passes untouched, and a
 * prohibited or unassigned character, a bidirectional mix or an empty result means the raw password, not an error.
 *
 * One difference is left: PostgreSQL looks for prohibited and unassigned characters before NFKC, this library after it.
 * It matters only for characters that Unicode got after 3.2 and that NFKC rewrites, such as U+1F130.
 */
export function preparePassword(password: string): string {
  if (ASCII.test(password)) return password;
  try {
    return saslprep(password);
  } catch {
    return password;
  }
}
