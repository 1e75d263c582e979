// Which language the page speaks: the one in the address (`?lang=es`), the one chosen last, or the person's first that there
// is. English comes with the page; another language is fetched when it is spoken.
import { home } from "../api/home";
import { currentLanguage, speak, t } from "./i18n";
import english from "./locales/en.json";

/** The languages that there are a file for. */
export const LANGUAGES: readonly string[] = LORITO_LANGUAGES;

declare const LORITO_LANGUAGES: readonly string[];

speak("en", english);

/** Speaks the language that suits. */
export async function chooseLanguage(wanted: readonly string[] = navigator.languages): Promise<void> {
  const asked = new URLSearchParams(location.search).get("lang");
  const codes = [asked, remembered(), ...wanted].map((tag) => tag?.split("-")[0] ?? "");
  const code = codes.find((code) => LANGUAGES.includes(code)) ?? "en";
  // What does not come leaves English.
  await load(code).catch(() => {});
}

/** Speaks another language from here on, on later visits too. Rejects where its words do not come. */
export async function changeLanguage(code: string): Promise<void> {
  await load(code);
  remember(code);
  const address = new URL(location.href);
  if (!address.searchParams.has("lang")) return;
  address.searchParams.set("lang", code);
  history.replaceState(history.state, "", address);
}

/** The language's name in itself. */
export function nameOf(code: string): string {
  const name = new Intl.DisplayNames([code], { type: "language" }).of(code) ?? code;
  return name.charAt(0).toLocaleUpperCase(code) + name.slice(1);
}

async function load(code: string): Promise<void> {
  if (code !== currentLanguage())
    speak(code, code === "en" ? english : (await import(`./locales/${code}.json`)).default);
  document.title = t("title");
}

/** Where this copy of the page keeps the choice. */
const place = () => `lorito language ${home}`;

/** The language chosen on an earlier visit, where the browser keeps anything. */
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
    // On the next visit it will be asked for again.
  }
}
