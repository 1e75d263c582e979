// Loads the translations for an exported folder: locales/exports/ has a table for each language but English.
import type { ExportWords } from "../shared/protocol";
import { LANGUAGES } from "./language";

/** The texts of model card, scripts and notebook in a language; English if there is no table. */
export async function wordsOfExports(language: string): Promise<ExportWords> {
  if (language === "en" || !LANGUAGES.includes(language)) return {};
  // If the table cannot be loaded, the texts stay English.
  return import(`./locales/exports/${language}.json`).then((table) => table.default).catch(() => ({}));
}
