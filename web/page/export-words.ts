// The words that an exported folder needs: locales/exports/ has a table for each language but English.
import type { ExportWords } from "../shared/protocol";
import { LANGUAGES } from "./language";

/** What model card, scripts and notebook say in a language; English where there is no such language. */
export async function wordsOfExports(language: string): Promise<ExportWords> {
  if (language === "en" || !LANGUAGES.includes(language)) return {};
  // What does not come leaves English.
  return import(`./locales/exports/${language}.json`).then((table) => table.default).catch(() => ({}));
}
