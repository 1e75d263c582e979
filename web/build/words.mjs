// Checks the translations before the page is bundled: other languages against English, unused keys, and the lesson's links
// against its glossary. It generates TypeScript types from English, so that the compiler checks each message's placeholders.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { linkFaults } from "./links.mjs";

/** The absolute path of a file in web/. */
const web = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** Folders of translations: the page's, loaded at its start, and the explanations', loaded when one is opened. */
const folders = { page: web("page/locales"), lesson: web("page/lesson") };

/** Keys that are composed at run time, which the compiler checks (page/locales/complete.ts). */
const families = {
  page: /^(code|encoding|engine|family|halfPrecision|hint|preset|sample|setting|unit|figure|goals\.(title|bring)|tokens\.(char|byte|bpe)|compare\.(loss|axis)\.\w+|lora\.(attention|mlp)(Out)?|model\.memory|\w+\.(title|lead)$)/,
  lesson: /^((term|about)\.|\w+\.what$)/,
};

const readTable = async (folder, name) => JSON.parse(await readFile(join(folder, name), "utf8"));

/** The placeholders of an entry, sorted: "size" for "{size:bytes}". */
function placeholders(entry) {
  const texts = typeof entry === "string" ? [entry] : Object.values(entry);
  const all = texts.flatMap((text) => [...text.matchAll(/\{(\w+)/g)].map(([, name]) => name));
  return [...new Set(all)].sort();
}

/** The errors of a table compared with English. */
function faults(name, table, english) {
  const missing = Object.keys(english).filter((key) => !(key in table));
  const unknown = Object.keys(table).filter((key) => !(key in english));
  const others = Object.keys(table).filter((key) => {
    return key in english && String(placeholders(table[key])) !== String(placeholders(english[key]));
  });
  return [
    ...missing.map((key) => `${name} lacks ${key}`),
    ...unknown.map((key) => `${name} has ${key}, which en.json has not`),
    ...others.map((key) => `${name}: ${key} has other placeholders than in en.json`),
  ];
}

/** Keys that occur in no source file. */
async function unused(english, families) {
  const rooms = ["api", "one-page", "page", "shared", "worker"];
  const sources = await Promise.all(
    rooms.map(async (room) => {
      const names = await readdir(web(room), { recursive: true });
      const code = names.filter((name) => name.endsWith(".ts") && !name.endsWith(".d.json.ts"));
      return Promise.all(code.map((name) => readFile(web(join(room, name)), "utf8")));
    }),
  );
  const all = sources.flat().join("\n");
  return Object.keys(english).filter((key) => !families.test(key) && !all.includes(`"${key}"`));
}

/** Checks a folder's tables and writes the types of English beside them. Returns the faults and the language codes. */
async function check(folder, families, faultsOf) {
  const english = await readTable(folder, "en.json");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json") && name !== "en.json");
  const tables = await Promise.all(
    names.map(async (name) => {
      const table = await readTable(folder, name);
      return [...faults(name, table, english), ...faultsOf(name, table, english)];
    }),
  );
  const wrong = [
    ...faultsOf("en.json", english, english),
    ...tables.flat(),
    ...(await unused(english, families)).map((key) => `en.json: nothing says ${key}`),
  ];
  const types = `// Made by web/build/words.mjs.\ndeclare const words: ${JSON.stringify(english, undefined, 2)};\nexport default words;\n`;
  if (wrong.length === 0) await writeFile(join(folder, "en.d.json.ts"), types);
  return { wrong, languages: ["en", ...names.map((name) => name.replace(/\.json$/, ""))] };
}

/** Returns the codes of the page's languages. Rejects if a table is invalid; writes the types of the English ones beside them. */
export async function checkWords() {
  const page = await check(folders.page, families.page, () => []);
  // A language without a table of the lesson shows it in English.
  const lesson = await check(folders.lesson, families.lesson, linkFaults);
  const wrong = [...page.wrong, ...lesson.wrong.map((fault) => `lesson/${fault}`)];
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return page.languages;
}
