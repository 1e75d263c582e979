// What the page and the worker that searches documents say to each other.

/** Most bytes of documents that are searched; what follows is left out, and the page says so. */
export const mostSearched = 2 ** 23;

/** A passage of a document that fits a question. */
export interface FoundPassage {
  /** The name of its text or file. */
  source: string;
  text: string;
  /** Which of its source's passages it is, from 1 on. */
  number: number;
  /** The number of passages of its source. */
  of: number;
  /** How well it fits (BM25), to compare passages of one search. */
  score: number;
}

/** What a search has found. `language`: that of the question, if it can be told. */
export interface Found {
  passages: FoundPassage[];
  language: "en" | "es" | undefined;
}

/** The methods of the worker that searches documents. */
export interface PassagesApi {
  /** Adds the documents of a text or file; returns its number of passages. */
  add(source: string, documents: readonly string[]): number;
  /** Removes all documents. */
  clear(): void;
  /** The passages that fit a question, best first, at most `count`. */
  find(question: string, count: number): Found;
  /** Parts of a passage around its sentence that fits a question best: whole sentences, the longest part first. */
  excerpts(question: string, passage: string): string[];
}
