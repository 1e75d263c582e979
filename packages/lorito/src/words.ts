// The words of exported files, which are the page's; loaded with the first export that needs them.
import type { WordsOfPage } from "../../../web/api/host";
import { isOfOnePage, type Sentence } from "../../../web/shared/one-page/words";

export const words: WordsOfPage = {
  ofOnePage: async (language) => {
    const { default: table }: { default: Record<string, Sentence> } =
      language === "es"
        ? await import("../../../web/page/locales/es.json")
        : await import("../../../web/page/locales/en.json");
    const wanted = Object.entries(table).filter(([key]) => isOfOnePage(key));
    return { language: language === "es" ? "es" : "en", words: Object.fromEntries(wanted) };
  },
  ofExports: async (language) =>
    language === "es" ? (await import("../../../web/page/locales/exports/es.json")).default : {},
};
