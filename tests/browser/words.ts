// The page's texts, for tests that run in every language.
import { readdirSync, readFileSync } from "node:fs";

type Sentence = string | Partial<Record<Intl.LDMLPluralRule, string>>;

const folder = new URL("../../web/page/locales/", import.meta.url);

/** The codes of the languages. */
export const LANGUAGES = readdirSync(folder)
  .filter((name) => /^\w+\.json$/.test(name))
  .map((name) => name.replace(".json", ""));

export type Speak = (key: string, values?: Record<string, string | number>) => string;

/** Returns the function that fills the page's texts in a language; values are inserted unchanged. */
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
