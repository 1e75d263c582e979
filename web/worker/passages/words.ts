// The words of a text as a search compares them: without endings, by the language that the text seems to be in.
import { stemmer as english } from "@orama/stemmers/english";
import { stemmer as spanish } from "@orama/stemmers/spanish";

/** The languages whose endings are known. */
export const languages = ["en", "es"] as const;
export type Language = (typeof languages)[number];

const stemmers = { en: english, es: spanish };

/** Words that stand in every text, and those that questions begin with. They tell the language, and are not searched for. */
const common: Record<Language, ReadonlySet<string>> = {
  en: new Set(
    `a about after all also am an and any are as at be because been before but by can could did do does each for from get
    had has have he her here him his how i if in into is it its just like many may me more most much my no not now of off
    on one only or other our out over own say said she should so some such than that the their them then there these they
    this those through to too under up us very was we were what when where which while who whom whose why will with would
    you your anybody anyone anything everybody everyone everything nobody nothing somebody someone something always never
    don doesn didn isn aren wasn weren won couldn shouldn wouldn haven hasn ll ve re supposed
    need must done doing make made get got go please tell give find explain text document passage`.split(/\s+/),
  ),
  es: new Set(
    `a al algo ante antes aquel aquella aqui asi aun aunque cada como con contra cual cuales cuando cuanta cuantas cuanto
    cuantos de del desde donde dos e el ella ellas ellos en entonces entre era eran es esa esas ese eso esos esta estaba
    estan estas este esto estos fue fueron ha habia han hasta hay la las le les lo los mas me mi mis mucho muy nada ni no
    nos nosotros o otra otras otro otros para pero poco por porque puede pueden que quien quienes se sea segun ser si sin
    sobre solo son su sus tambien tan tanto te tiene tienen toda todas todo todos tu tus un una unas uno unos y ya yo dime
    explica texto documento alguien alguno alguna algunos algunas nadie nunca siempre debo debe deben deber hacer hago hace
    hacen haz puedo podemos quiero necesito estoy`.split(/\s+/),
  ),
};

/** Without accents, which people often do not type in questions; ñ stays a letter of its own. */
function withoutAccents(word: string): string {
  return word
    .normalize("NFD")
    .replace(/n\u0303/g, "ñ")
    .replace(/[\u0300-\u036f]/g, "")
    .normalize("NFC");
}

function wordsOf(text: string): string[] {
  return (
    text
      .normalize("NFC")
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? []
  );
}

/** The language with more of its common words in a text; undefined where neither has more. */
export function languageOf(text: string): Language | undefined {
  let lead = 0;
  for (const word of wordsOf(text).map(withoutAccents)) {
    if (common.en.has(word)) lead += 1;
    if (common.es.has(word)) lead -= 1;
  }
  if (lead === 0) return undefined;
  return lead > 0 ? "en" : "es";
}

/**
 * What a text is about: for each of its words, other than the common ones of `language`, the stems by which it is found.
 * `stemmed`: the languages of the stems; a word has one for each, if they differ.
 */
export function stemsOf(text: string, language: Language | undefined, stemmed: readonly Language[]): string[][] {
  const skipped = language ? [common[language]] : [common.en, common.es];
  const all: string[][] = [];
  for (const word of wordsOf(text)) {
    const bare = withoutAccents(word);
    if (skipped.some((words) => words.has(bare))) continue;
    all.push([...new Set(stemmed.map((language) => withoutAccents(stemmers[language](word))))]);
  }
  return all;
}
