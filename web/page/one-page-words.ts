// Selects the strings of a one-page model, in the page's current language.
import type { OnePageWords } from "../shared/one-page/words";
import { spoken } from "./i18n";

/** Key prefixes of the strings used in views/write.ts, views/chat.ts and page.ts. */
const rooms = /^(onePage|write|chat|need|hint\.write|details|message)\./;
const settings =
  /^(setting\.(maxTokens|temperature|topK|topP|repetitionPenalty|seed|layers|heads|width|context|vocabulary)|unit\.tokens)$/;
const figures = /^(figure\.(trainLoss|validationLoss)|model\.figure\.parameters)$/;
const codes =
  /^code\.(unknown|internal|one-page-damaged|model-too-large|setting-out-of-range|setting-invalid|no-question)$/;

export function wordsOfOnePage(): OnePageWords {
  return spoken((key) => [rooms, settings, figures, codes].some((wanted) => wanted.test(key)));
}
