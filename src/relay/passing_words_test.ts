import { strictEqual as equal } from "node:assert/strict";
import { Control } from "../protocol/mod.ts";
import { PassingWords } from "./passing_words.ts";

const { Opens, Closes, Commits } = Control;
const bytesOf = (text: string) => new TextEncoder().encode(text);

/** The words of a session that sent these texts by Query. */
function sent(...texts: string[]): PassingWords {
  const words = new PassingWords();
  for (const text of texts) words.query(bytesOf(text), 0, text.length, text.length);
  return words;
}

function parse(words: PassingWords, name: string, text: string): void {
  const bytes = bytesOf(`${name}\0${text}\0\0\0`);
  words.parse(bytes, 0, bytes.length, bytes.length);
}

function bind(words: PassingWords, name: string): void {
  const bytes = bytesOf(`portal\0${name}\0\0\0\0\0`);
  words.bind(bytes, 0, bytes.length);
}

Deno.test("PassingWords knows what queries did to the transaction since the last boundary", () => {
  const cases: [texts: string[], control: number][] = [
    [["SELECT 1"], 0],
    [["BEGIN"], Opens],
    [["BEGIN", "INSERT INTO t VALUES ('commit')"], Opens],
    [["BEGIN", "COMMIT"], Closes | Commits],
    [["SELECT 1; COMMIT; BEGIN"], Opens | Commits],
    [["ROLLBACK"], Closes],
    [["ROLLBACK", "SELECT 1"], Closes],
    [["SELECT CASE WHEN true THEN 1 END"], 0],
    [["-- commit\nSELECT 1"], 0],
  ];
  for (const [texts, control] of cases) equal(sent(...texts).control, control, texts.join(" | "));
  const words = sent("BEGIN; SELECT 1; COMMIT");
  words.transactionEnds();
  equal(words.control, 0);
  equal(words.ran, true);
});

Deno.test("PassingWords takes a text of which it has not seen all for one that may commit", () => {
  const words = new PassingWords();
  const bytes = bytesOf("INSERT INTO t VALUES (1)");
  words.query(bytes, 0, 10, bytes.length);
  equal(words.control, Commits);
  const long = `BEGIN; SELECT '${"x".repeat(5000)}'`;
  equal(sent(long).control, Opens | Commits);
});

Deno.test("PassingWords counts a prepared statement each time that it is bound, and not when it is made", () => {
  const words = new PassingWords();
  parse(words, "", "SELECT 1");
  bind(words, "");
  parse(words, "c", "COMMIT");
  equal(words.control, 0);
  bind(words, "c");
  equal(words.control, Closes | Commits);
  words.transactionEnds();
  parse(words, "c", "SELECT 1");
  bind(words, "c");
  equal(words.control, 0);
});

Deno.test("PassingWords knows what ran last: ROLLBACK or BEGIN alone", () => {
  equal(sent("BEGIN", "ROLLBACK").lastControl, Closes | Control.RollsBack);
  equal(sent("ROLLBACK", "BEGIN").lastControl, Opens | Control.Begins);
  equal(sent("ROLLBACK", "SELECT 1").lastControl, 0);
  equal(sent("SELECT 1; ROLLBACK").lastControl, Closes);
  const words = sent("SELECT 1");
  parse(words, "r", "ROLLBACK");
  equal(words.lastControl, 0);
  bind(words, "r");
  equal(words.lastControl, Closes | Control.RollsBack);
  bind(words, "other");
  equal(words.lastControl, 0);
});

Deno.test("PassingWords knows whether anything ran, and whether the session may listen", () => {
  equal(new PassingWords().ran, false);
  equal(sent("SELECT 1").listens, false);
  equal(sent("LISTEN news").listens, true);
  equal(sent("BEGIN; LISTEN news; COMMIT").listens, true);
  const words = sent("LISTEN news; BEGIN");
  words.serverLost();
  equal(words.ran || words.listens || words.control !== 0, false);
});
