/** A text, or one text for each plural category. */
export type Sentence = string | Partial<Record<Intl.LDMLPluralRule, string>>;

/** The words that a model's page needs, and in which language they are. */
export interface OnePageWords {
  language: string;
  words: Record<string, Sentence>;
}
