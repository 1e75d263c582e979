// Selects the strings of a one-page model, in the page's current language.
import { isOfOnePage, type OnePageWords } from "../shared/one-page/words";
import { spoken } from "./i18n";

export function wordsOfOnePage(): OnePageWords {
  return spoken(isOfOnePage);
}
