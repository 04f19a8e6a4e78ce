import type { OptionScope } from "../config/mod.ts";
import { PgplexError } from "../kernel/mod.ts";
import type { DirectiveText } from "../protocol/mod.ts";
import { type Directive, type DirectiveProblem, type OptionChange, parseDirective } from "./directives.ts";
import { notAllowed } from "./session_options.ts";

/** What all directives at the head of one text say together. */
export interface HeadDirectives {
  readonly statement: readonly OptionChange[];
  readonly transaction: readonly OptionChange[];
  readonly session: readonly OptionChange[];
  /** Of several the last. */
  readonly pin: boolean | null;
  /** Of several the last. */
  readonly show: Directive["show"];
  /** Why some of them are not followed, `invalid_directive` with the place in the text. */
  readonly problems: readonly PgplexError[];
}

/** What a directive may be refused for though it is well formed. */
export interface DirectiveRules {
  /** Options that a client may set. */
  readonly allowed: readonly string[];
  /** Whether `pin` asks for `pool_mode` among them, as it holds a server connection. */
  readonly pins: boolean;
  /** Nothing stands behind the directives. */
  readonly alone: boolean;
  /** What else speaks against a change. */
  readonly refusal: (change: OptionChange, scope: OptionScope) => PgplexError | null;
  /** Makes characters of a piece of the text, where its units are bytes. */
  readonly decode: (piece: string) => string;
}

/** Reads directives, which stand in `text`. Nothing is done yet; one that has a problem is not followed in any part. */
export function headDirectives(
  directives: readonly DirectiveText[],
  text: string,
  rules: DirectiveRules,
): HeadDirectives {
  const problems: PgplexError[] = [];
  const changes = {
    statement: [] as OptionChange[],
    transaction: [] as OptionChange[],
    session: [] as OptionChange[],
  };
  let pin: boolean | null = null;
  let show: Directive["show"] = null;
  for (const { arguments: args, index } of directives) {
    const directive = parseDirective(rules.decode(args));
    const problem = "message" in directive ? directive : refusalOf(directive, rules);
    if (problem !== null) problems.push(errorAt(problem, text, index, rules.decode));
    else if (!("message" in directive)) {
      changes[directive.scope].push(...directive.changes);
      pin = directive.pin ?? pin;
      show = directive.show ?? show;
    }
  }
  return { ...changes, pin, show, problems };
}

function refusalOf(
  { scope, changes, pin, show }: Directive,
  { allowed, pins, alone, refusal }: DirectiveRules,
): DirectiveProblem | null {
  if (pin === true && pins && !allowed.includes("pool_mode")) {
    const hint = "The operator's options_allowed does not list pool_mode.";
    return { index: 0, message: "permission denied to pin", hint };
  }
  if (show !== null && !alone) {
    const hint = "Send the directive without a statement.";
    return { index: 0, message: `"show ${show}" must stand alone`, hint };
  }
  for (const change of changes) {
    const error = allowed.includes(change.spec.name) ? refusal(change, scope) : notAllowed(change.spec.name);
    if (error !== null) return { index: 0, message: error.message, hint: error.extra.hint };
  }
  return null;
}

/** `at` is where the directive begins; its arguments, in which the problem counts, stand behind the word pgplex. */
function errorAt(
  { index, message, hint }: DirectiveProblem,
  text: string,
  at: number,
  decode: (piece: string) => string,
): PgplexError {
  const argumentsAt = text.indexOf("pgplex", at) + "pgplex".length;
  const before = decode(text.slice(0, argumentsAt)) + decode(text.slice(argumentsAt)).slice(0, index);
  return new PgplexError("invalid_directive", message, {
    ...(hint === undefined ? {} : { hint }),
    position: [...before].length + 1,
  });
}
