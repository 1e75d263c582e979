// The page's words, for tests that walk it in every language that there is a file for.
import { readdirSync, readFileSync } from "node:fs";

type Sentence = string | Partial<Record<Intl.LDMLPluralRule, string>>;

const folder = new URL("../../web/page/locales/", import.meta.url);

/** The codes of the languages. */
export const LANGUAGES = readdirSync(folder)
  .filter((name) => /^\w+\.json$/.test(name))
  .map((name) => name.replace(".json", ""));

export type Speak = (key: string, values?: Record<string, string | number>) => string;

/** What the page says in a language; values are put in as they are. */
export function wordsIn(language: string): Speak {
  const table: Record<string, Sentence> = JSON.parse(readFileSync(new URL(`${language}.json`, folder), "utf8"));
  const plural = new Intl.PluralRules(language);
  return (key, values = {}) => {
    const sentence = table[key];
    if (sentence === undefined) throw new Error(`${language} has no ${key}`);
    const text =
      typeof sentence === "string" ? sentence : (sentence[plural.select(Number(values.count))] ?? sentence.other ?? "");
    return text.replace(/\{(\w+)(?::\w+)?\}/g, (_, name: string) => String(values[name]));
  };
}
