// Loads the texts of the explanations and the glossary when one is opened: en.json and its translations.
import { part } from "../../shared/part";
import { currentLanguage, fill, type Table, type Wanted } from "../i18n";
import type english from "./en.json";

type English = typeof english;
type Key = keyof English;
type Values<K extends Key> = [Wanted<English[K]>] extends [never] ? [] : [Record<Wanted<English[K]>, unknown>];

/** A term of the glossary. */
export type Term = Key extends infer K ? (K extends `term.${infer Name}` ? Name : never) : never;

let table: Table = {};
/** The page's language when they were fetched, and their own language. */
let wanted: string | undefined;
let language: string | undefined;

/** Whether the texts for the page's language are loaded. */
export function wordsAreHere(): boolean {
  return wanted === currentLanguage();
}

/** The language of the texts: English if there is no translation; undefined before any are loaded. */
export function languageOfWords(): string | undefined {
  return language;
}

/** Fetches the texts in the page's language. Rejects with "part-missing" if the download fails. */
export async function fetchWords(): Promise<void> {
  const code = currentLanguage();
  const of = async (code: string): Promise<Table> => (await import(`./${code}.json`)).default;
  let came = code;
  const fetched = await of(code).catch(() => {
    came = "en";
    return part(of("en"));
  });
  // The page's language may have changed meanwhile.
  if (code === currentLanguage()) [table, wanted, language] = [fetched, code, came];
}

export function w<K extends Key>(key: K, ...[values]: Values<K>): string {
  return fill(table[key] ?? "", values ?? {});
}

/** A stretch of a sentence; if it has a term, it links to the glossary. */
export interface Stretch {
  words: string;
  term?: Term;
}

/** Splits a sentence into stretches: "[words|term]" is a link. */
export function stretches(key: Key): Stretch[] {
  const sentence = table[key];
  if (typeof sentence !== "string") return [];
  return sentence.split(/(\[[^\]]+\])/).map((stretch) => {
    const [, words, term] = stretch.match(/^\[([^|]+)\|(.+)\]$/) ?? [];
    return words && term ? { words, term: term as Term } : { words: stretch };
  });
}

/** All terms, sorted by name in the page's language. */
export function terms(): Term[] {
  const all = Object.keys(table).flatMap((key) => (key.startsWith("term.") ? [key.slice(5) as Term] : []));
  const { compare } = new Intl.Collator(language);
  return all.sort((a, b) => compare(w(`term.${a}`), w(`term.${b}`)));
}
