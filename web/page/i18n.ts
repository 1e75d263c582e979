// Looks up all text that the page shows; language.ts chooses the language. A language is one file, locales/CODE.json, with
// en.json's keys: text with {placeholders}, or one text per plural category, chosen by {count}.
// `{size:bytes}` names the format of a value.
import type { Problem } from "../shared/errors";
import type { OnePageWords, Sentence } from "../shared/one-page/words";
import type english from "./locales/en.json";

type English = typeof english;
export type Key = keyof English;

/** The placeholders of a text: "size" | "name" for "{size:bytes} of {name}". */
type Placeholders<Text> = Text extends `${string}{${infer Inside}}${infer Rest}`
  ? (Inside extends `${infer Name}:${string}` ? Name : Inside) | Placeholders<Rest>
  : never;

/** The placeholders of an entry. */
export type Wanted<Entry> = Entry extends string ? Placeholders<Entry> : Placeholders<Entry[keyof Entry]> | "count";

/** The values for the placeholders of a key's text. */
type Values<K extends Key> = [Wanted<English[K]>] extends [never] ? [] : [Record<Wanted<English[K]>, unknown>];
export type Table = Record<string, Sentence>;

let words: Table = {};
let language = "en";
let plural = new Intl.PluralRules(language);

/** Changes the language and its table. */
export function speak(code: string, table: Table): void {
  words = table;
  language = code;
  plural = new Intl.PluralRules(language);
  document.documentElement.lang = language;
}

/** The code of the current language. */
export function currentLanguage(): string {
  return language;
}

/** The entries of the current table whose keys are `wanted`, for a one-page model. */
export function spoken(wanted: (key: string) => boolean): OnePageWords {
  return { language, words: Object.fromEntries(Object.entries(words).filter(([key]) => wanted(key))) };
}

export function t<K extends Key>(key: K, ...[values]: Values<K>): string {
  return filled(key, values ?? {});
}

/** A deferred text: views store it and evaluate it at each rendering, in the language of that moment. */
export type Words = () => string;

export function wordsOf<K extends Key>(key: K, ...values: Values<K>): Words {
  return () => t(key, ...values);
}

function filled(key: Key, values: Record<string, unknown>): string {
  return fill(words[key] ?? key, values);
}

/** Fills a sentence with values, formatted in the page's language. */
export function fill(sentence: Sentence, values: Record<string, unknown>): string {
  const text = typeof sentence === "string" ? sentence : pluralForm(sentence, values);
  return text.replace(/\{(\w+)(?::(\w+))?\}/g, (_, name: string, format?: string) => write(values[name], format));
}

/** The text for an error or notice `{code, ...fields}` from Rust or the worker. */
export function sentenceOf(report: Problem): string {
  const { code, ...values } = report;
  const finer = [values.kind, "step" in values ? "step" : undefined].map((detail) => `code.${code}.${detail}`);
  return filled([...finer, `code.${code}`].find(isKey) ?? "code.unknown", { code, ...values });
}

/** The text for a key composed at run time, without placeholders; undefined if there is none. */
export function wordFor(key: string): string | undefined {
  return isKey(key) ? filled(key, {}) : undefined;
}

function isKey(key: string): key is Key {
  return key in words;
}

function pluralForm(forms: Partial<Record<Intl.LDMLPluralRule, string>>, values: Record<string, unknown>): string {
  const category = plural.select(Number(values.count));
  return forms[category] ?? forms.other ?? "";
}

function write(value: unknown, format?: string): string {
  switch (format) {
    case "bytes":
      return bytes(Number(value));
    case "duration":
      return duration(Number(value));
    case "percent":
      return percent(Number(value));
    case "loss":
      return fixed(Number(value), 3);
    case "date":
      return date(Number(value));
    case "list":
      return list(Array.isArray(value) ? value.map((item) => write(item)) : []);
    case "encoding":
      return wordFor(`encoding.${value}`) ?? String(value);
    case "setting":
      return settingName(String(value));
    default:
      return typeof value === "number" ? number(value) : String(value ?? "");
  }
}

/** The page's name for a setting, which Rust identifies by its field. */
export function settingName(field: string): string {
  return wordFor(`setting.${field}`) ?? field;
}

export function number(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return String(Number(value.toPrecision(2)));
  return new Intl.NumberFormat(language, { maximumFractionDigits: 6 }).format(value);
}

export function fixed(value: number, digits: number): string {
  return new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(
    value,
  );
}

/** Formats 1,234,567 as "1.2M", where only the order of magnitude matters. */
export function short(value: number): string {
  return new Intl.NumberFormat(language, { notation: "compact", maximumSignificantDigits: 3 }).format(value);
}

export function percent(value: number): string {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(value);
}

export function list(items: string[]): string {
  return new Intl.ListFormat(language, { type: "unit", style: "short" }).format(items);
}

export function date(milliseconds: number): string {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(milliseconds);
}

/** The time of day, for recent events. */
export function time(milliseconds: number): string {
  return new Intl.DateTimeFormat(language, { timeStyle: "short" }).format(milliseconds);
}

function unit(value: number, name: string, digits = 0): string {
  const unitDisplay = name === "byte" ? "long" : "short"; // "9 bytes", as no language has an abbreviation for it
  const options = { style: "unit", unit: name, unitDisplay, maximumFractionDigits: digits } as const;
  return new Intl.NumberFormat(language, options).format(value);
}

export function bytes(value: number): string {
  const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const power = Math.min(names.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)));
  const scaled = value / 1000 ** power;
  return unit(scaled, names[power] ?? "byte", scaled < 10 && power > 0 ? 1 : 0);
}

/** "8 sec", "2 min 5 sec", "3 hr 10 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds > 0 && seconds < 1) return unit(seconds, "second", 1);
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "day"],
    [Math.floor(whole / 3600) % 24, "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return unit(0, "second");
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, name]) => unit(amount, name))
    .join(" ");
}
