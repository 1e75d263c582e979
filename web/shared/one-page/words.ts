// The strings of a one-page model, which are some of the page's.

/** A text, or one text for each plural category. */
export type Sentence = string | Partial<Record<Intl.LDMLPluralRule, string>>;

/** The strings of a one-page model, and their language. */
export interface OnePageWords {
  language: string;
  words: Record<string, Sentence>;
}

/** Key prefixes of the strings used in page/views/write.ts, page/views/chat.ts and one-page/page.ts. */
const rooms = /^(onePage|write|chat|need|hint\.write|details|message)\./;
const settings =
  /^(setting\.(maxTokens|temperature|topK|topP|repetitionPenalty|seed|layers|heads|width|context|vocabulary)|unit\.tokens)$/;
const figures = /^(figure\.(trainLoss|validationLoss)|model\.figure\.parameters)$/;
const codes =
  /^code\.(unknown|internal|one-page-damaged|model-too-large|setting-out-of-range|setting-invalid|no-question)$/;

/** Whether a one-page model has the string of a key. */
export function isOfOnePage(key: string): boolean {
  return [rooms, settings, figures, codes].some((wanted) => wanted.test(key));
}
