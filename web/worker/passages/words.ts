// The words of a text as a search compares them: without endings, by the language that the text seems to be in.
import { stemmer as english } from "@orama/stemmers/english";
import { stemmer as spanish } from "@orama/stemmers/spanish";
import lists from "./common-words.json";

/** The languages whose endings are known. */
export const languages = ["en", "es"] as const;
export type Language = (typeof languages)[number];

const stemmers = { en: english, es: spanish };

/** The stems of words that have been seen: a text repeats most of its words. */
const known: Record<Language, Map<string, string>> = { en: new Map(), es: new Map() };

function stemOf(word: string, language: Language): string {
  let stem = known[language].get(word);
  if (stem === undefined) {
    stem = withoutAccents(stemmers[language](word));
    known[language].set(word, stem);
  }
  return stem;
}

/** Words that stand in every text, and those that questions are made of. They tell the language, and are not searched for. */
const common: Record<Language, ReadonlySet<string>> = {
  en: new Set(lists.en.split(" ")),
  es: new Set(lists.es.split(" ")),
};

/** Without accents, which people often do not type in questions; ñ stays a letter of its own. */
function withoutAccents(word: string): string {
  if (/^[a-z0-9]*$/.test(word)) return word;
  return word
    .normalize("NFD")
    .replace(/n\u0303/g, "ñ")
    .replace(/[\u0300-\u036f]/g, "")
    .normalize("NFC");
}

/** Without single letters of the Latin alphabet, which contractions leave; one of another script may be a word. */
function wordsOf(text: string): string[] {
  const lower = text.normalize("NFC").toLowerCase();
  const words = lower.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  return words.filter((word) => !/^[a-z]$/.test(word));
}

/** The language with more of its common words in a text; undefined where neither has more. */
export function languageOf(text: string): Language | undefined {
  let lead = 0;
  for (const word of wordsOf(text).map(withoutAccents)) {
    if (common.en.has(word)) lead += 1;
    if (common.es.has(word)) lead -= 1;
  }
  if (lead === 0) return undefined;
  return lead > 0 ? "en" : "es";
}

/**
 * What a text is about: for each of its words, other than the common ones of `language`, the stems by which it is found.
 * `stemmed`: the languages of the stems; a word has one for each, if they differ.
 */
export function stemsOf(text: string, language: Language | undefined, stemmed: readonly Language[]): string[][] {
  const skipped = language ? [common[language]] : [common.en, common.es];
  const all: string[][] = [];
  for (const word of wordsOf(text)) {
    const bare = withoutAccents(word);
    if (skipped.some((words) => words.has(bare))) continue;
    all.push([...new Set(stemmed.map((language) => stemOf(word, language)))]);
  }
  return all;
}
