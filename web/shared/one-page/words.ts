/** A text, or one text for each plural category. */
export type Sentence = string | Partial<Record<Intl.LDMLPluralRule, string>>;

/** The strings of a one-page model, and their language. */
export interface OnePageWords {
  language: string;
  words: Record<string, Sentence>;
}
