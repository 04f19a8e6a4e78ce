import type { Answer } from "../answer/mod.ts";
import type { ConsoleParts } from "../parts/mod.ts";
import type { Asker } from "./asker.ts";
import type { Command, CommandContext } from "./command.ts";
import { Commands } from "./commands.ts";
import { lexStatements } from "./lexer.ts";

/** A client that asks: what it is told is in `told`. */
export class FakeAsker implements Asker {
  readonly id = 1;
  readonly startupName = "psql";
  readonly driverSettings = new Map([["application_name", "psql"]]);
  readonly told: string[] = [];
  readonly user: string;
  readonly admin: boolean;
  inTransaction = false;

  constructor({ user = "admin", admin = true } = {}) {
    this.user = user;
    this.admin = admin;
  }

  report(name: string, value: string): void {
    this.told.push(`${name}=${value}`);
  }

  deallocate(name: string | null): void {
    this.told.push(`deallocate ${name ?? "all"}`);
  }
}

/** Runs texts of one statement each with these commands. */
export function fakeConsole(
  list: readonly Command[],
  parts: ConsoleParts = {} as ConsoleParts,
  asker = new FakeAsker(),
) {
  const commands = new Commands(list);
  const abort = new AbortController();
  const context: CommandContext = { ...parts, commands, asker, signal: abort.signal };
  const run = async (text: string, ...params: string[]): Promise<Answer> => {
    const invocation = commands.find(lexStatements(text)[0]!);
    return await invocation.command.run(invocation.args(params), context);
  };
  return { run, context, asker, commands, abort };
}
