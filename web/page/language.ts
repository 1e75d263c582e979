// Which language the page speaks. English comes with it; another one is fetched when a person's browser asks for it.
import { speak, t } from "./i18n";
import english from "./locales/en.json";

speak("en", english);

/** Takes the first of the person's languages that has a file; English otherwise. */
export async function chooseLanguage(wanted: readonly string[] = navigator.languages): Promise<void> {
  for (const code of new Set(wanted.map((tag) => tag.split("-")[0] ?? tag))) {
    if (code === "en") break;
    try {
      speak(code, { ...english, ...(await import(`./locales/${code}.json`)).default });
      break;
    } catch {
      // There is no file for this language: the next one may have one.
    }
  }
  document.title = t("title");
}
