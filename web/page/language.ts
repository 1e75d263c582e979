// Chooses the page's language: the one in the address (`?lang=es`), the last one chosen, or the first available of the
// browser's languages. English is part of the page; other languages are fetched on demand.
import { home } from "./home";
import { currentLanguage, speak, t } from "./i18n";
import english from "./locales/en.json";

/** The available languages. */
export const LANGUAGES: readonly string[] = LORITO_LANGUAGES;

declare const LORITO_LANGUAGES: readonly string[];

speak("en", english);

/** Activates the best available language. */
export async function chooseLanguage(wanted: readonly string[] = navigator.languages): Promise<void> {
  const asked = new URLSearchParams(location.search).get("lang");
  const codes = [asked, remembered(), ...wanted].map((tag) => tag?.split("-")[0] ?? "");
  const code = codes.find((code) => LANGUAGES.includes(code)) ?? "en";
  // If it cannot be fetched, the page stays in English.
  await load(code).catch(() => {});
}

/** Changes the language, also for later visits. Rejects if its file cannot be fetched. */
export async function changeLanguage(code: string): Promise<void> {
  await load(code);
  remember(code);
  const address = new URL(location.href);
  if (!address.searchParams.has("lang")) return;
  address.searchParams.set("lang", code);
  history.replaceState(history.state, "", address);
}

/** The language's own name. */
export function nameOf(code: string): string {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}

async function load(code: string): Promise<void> {
  if (code !== currentLanguage())
    speak(code, code === "en" ? english : (await import(`./locales/${code}.json`)).default);
  document.title = t("title");
}

/** The key of the choice in `localStorage`, for this copy of the page. */
const place = () => `lorito language ${home}`;

/** The language chosen on an earlier visit, if the browser has storage. */
function remembered(): string | undefined {
  try {
    return localStorage.getItem(place()) ?? undefined;
  } catch {
    return undefined;
  }
}

function remember(code: string): void {
  try {
    localStorage.setItem(place(), code);
  } catch {
    // Without storage, the choice is lost after this visit.
  }
}
