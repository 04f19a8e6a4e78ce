import { CLUSTER_OPTION, USAGE_COMMANDS, USAGE_OPTIONS, type UsageOption } from "./tables.ts";

/** Shells for which there are completions. */
export const COMPLETION_SHELLS = ["bash", "zsh", "fish"] as const;

const ALL_OPTIONS: readonly UsageOption[] = [...USAGE_OPTIONS, CLUSTER_OPTION];

/** The file of completions for a shell. */
export function completions(shell: (typeof COMPLETION_SHELLS)[number]): string {
  switch (shell) {
    case "bash":
      return bash();
    case "zsh":
      return zsh();
    case "fish":
      return fish();
  }
}

function named() {
  return USAGE_COMMANDS.filter((command) => command.name !== null);
}

function valueFlags(value: UsageOption["value"]): string {
  return ALL_OPTIONS.filter((option) => option.value === value).map(({ flag }) => flag).join("|");
}

function bash(): string {
  const commands = named();
  const own = USAGE_COMMANDS[0]!;
  const cases = commands.map(({ name, words, options }) =>
    `    ${name}) words="${[...words, ...options].join(" ")}" ;;`
  );
  return `# bash completion for pgplex; made from its command line's tables.
_pgplex() {
  local cur=\${COMP_WORDS[COMP_CWORD]} words
  case \${COMP_WORDS[COMP_CWORD-1]} in
    ${valueFlags("FILE")}|import) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    ${valueFlags("NAME")}) return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
    *) words="${[...commands.map(({ name }) => name), ...own.options].join(" ")}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _pgplex pgplex
`;
}

function zsh(): string {
  const quoted = (text: string) =>
    text.replaceAll("'", "'\\''").replaceAll("[", "\\[").replaceAll("]", "\\]");
  const argument = ({ flag, value, doc }: UsageOption) =>
    `'${flag}[${quoted(doc)}]${value === "FILE" ? ":file:_files" : value === "NAME" ? ":name:" : ""}'`;
  const ofCommand = ({ words, options }: (typeof USAGE_COMMANDS)[number]) => {
    const taken = ALL_OPTIONS.filter(({ flag }) => options.includes(flag)).map(argument);
    return [...taken, words.length > 0 ? `'1:command:(${words.join(" ")})'` : "'*:file:_files'"].join(" ");
  };
  const cases = named().map((command) =>
    `    ${command.name}) shift words; (( CURRENT-- )); _arguments ${ofCommand(command)} ;;`
  );
  return `#compdef pgplex
# zsh completion for pgplex; made from its command line's tables.
_pgplex() {
  case $words[2] in
${cases.join("\n")}
    *) _arguments ${USAGE_OPTIONS.map(argument).join(" ")} '1:command:(${
    named().map(({ name }) => name).join(" ")
  })' ;;
  esac
}
_pgplex "$@"
`;
}

function fish(): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const commands = named();
  const names = commands.map(({ name }) => name).join(" ");
  const lines = [
    "# fish completion for pgplex; made from its command line's tables.",
    "complete -c pgplex -f",
    ...commands.map(({ name, doc }) =>
      `complete -c pgplex -n "not __fish_seen_subcommand_from ${names}" -a ${name} -d ${quoted(doc!)}`
    ),
    ...ALL_OPTIONS.map(({ flag, value, doc }) =>
      `complete -c pgplex -l ${flag.slice(2)}${
        value === null ? "" : value === "FILE" ? " -r -F" : " -x"
      } -d ${quoted(doc)}`
    ),
    ...commands.flatMap(({ name, words }) =>
      words.map((word) => `complete -c pgplex -n "__fish_seen_subcommand_from ${name}" -a ${word}`)
    ),
    'complete -c pgplex -n "__fish_seen_subcommand_from import" -F',
  ];
  return `${lines.join("\n")}\n`;
}
