// Finds the passages that fit a question: BM25 over stems, by MiniSearch.
import MiniSearch from "minisearch";
import type { Found, FoundPassage } from "../../shared/passages";
import { passagesOf, sentencesOf } from "./split";
import { languageOf, languages, stemsOf } from "./words";

/**
 * A passage fits if it has at least this share of what a part of the question asks for, rare words counting more than common
 * ones; and that part has at least this share of the question.
 */
const share = 0.35;

/** How many passages there are at least, for the weight of words: in a single one every word would be a common one. */
const fewest = 50;

type Passage = Omit<FoundPassage, "score">;

/** A word of a question: the stems by which it is found, and its inverse document frequency. */
interface Word {
  stems: string[];
  weight: number;
}

/** The stems of a passage, in the language that it seems to be in. */
function stemsOfPassage(text: string): string[] {
  const language = languageOf(text);
  return stemsOf(text, language, language ? [language] : languages).flat();
}

export class PassageIndex {
  readonly #passages: Passage[] = [];
  /** The number of passages with each stem. */
  readonly #holding = new Map<string, number>();
  readonly #search = new MiniSearch<{ id: number; stems: string }>({
    fields: ["stems"],
    tokenize: (stems) => stems.split(" "),
    processTerm: (stem) => stem,
  });

  /** Adds the documents of a source; returns its number of passages. */
  add(source: string, documents: readonly string[]): number {
    const texts = documents.flatMap(passagesOf);
    for (const [place, text] of texts.entries()) {
      const stems = stemsOfPassage(text);
      this.#search.add({ id: this.#passages.length, stems: stems.join(" ") });
      this.#passages.push({ source, text, number: place + 1, of: texts.length });
      for (const stem of new Set(stems)) this.#holding.set(stem, (this.#holding.get(stem) ?? 0) + 1);
    }
    return texts.length;
  }

  /** The passages that fit a question, best first, and the question's language. */
  find(question: string, count: number): Found {
    const language = languageOf(question);
    const words = this.#wordsOf(question);
    const least = share * weightOf(words);
    const parts = partsOf(question).map((part) => this.#wordsOf(part, language));
    const telling = parts.filter((part) => part.length > 0 && weightOf(part) >= least);
    const found = this.#search.search(question, { tokenize: () => [...new Set(words.flatMap(({ stems }) => stems))] });
    const passages: FoundPassage[] = [];
    for (const { id, terms, score } of found) {
      const passage = this.#passages[id as number];
      const among = new Set(terms);
      if (!passage || !telling.some((part) => covered(part, among) >= share * weightOf(part))) continue;
      passages.push({ ...passage, score });
      if (passages.length === count) break;
    }
    return { passages, language };
  }

  /** Parts of a passage around its sentence that fits a question best: whole sentences, the longest part first. */
  excerpts(question: string, passage: string): string[] {
    const words = this.#wordsOf(question);
    const sentences = placesOf(sentencesOf(passage), passage);
    const scores = sentences.map(({ text }) => covered(words, new Set(stemsOfPassage(text))));
    let first = scores.indexOf(Math.max(...scores));
    let last = first;
    const parts: string[] = [];
    while (first >= 0 && last - first + 1 < sentences.length) {
      parts.unshift(passage.slice(sentences[first]?.begin, sentences[last]?.end));
      // What follows a sentence more often explains it than what stands before it.
      if (last + 1 < sentences.length) last += 1;
      else first -= 1;
    }
    return parts;
  }

  /** The words of a question, each with what it weighs. */
  #wordsOf(question: string, language = languageOf(question)): Word[] {
    // In both languages: a passage with few common words may have been taken for one of the other.
    const all = stemsOf(question, language, languages);
    return all.map((stems) => ({ stems, weight: this.#weight(stems) }));
  }

  /** The inverse document frequency of a word, as BM25 has it. */
  #weight(stems: readonly string[]): number {
    const holding = Math.max(...stems.map((stem) => this.#holding.get(stem) ?? 0));
    return Math.log(1 + (Math.max(fewest, this.#passages.length) - holding + 0.5) / (holding + 0.5));
  }
}

/** The whole question, and what stands between its punctuation marks: one message may ask for several things. */
function partsOf(question: string): string[] {
  return [question, ...question.split(/[.,;:?!¿¡…]+/)];
}

function weightOf(words: readonly Word[]): number {
  return words.reduce((sum, { weight }) => sum + weight, 0);
}

/** What the words weigh of which a stem is among these. */
function covered(words: readonly Word[], among: ReadonlySet<string>): number {
  return weightOf(words.filter(({ stems }) => stems.some((stem) => among.has(stem))));
}

/** Where these parts of a text, which follow each other, begin and end in it. */
function placesOf(parts: readonly string[], text: string): { text: string; begin: number; end: number }[] {
  let from = 0;
  return parts.map((part) => {
    const begin = text.indexOf(part, from);
    from = begin + part.length;
    return { text: part, begin, end: from };
  });
}
