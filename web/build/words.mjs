// The tables of words (page/locales/), before the page is bundled: other languages against English, words that nothing
// says, and English as TypeScript's types, so that the compiler knows which values a sentence wants.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The path of what is called so in web/. */
const web = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const folder = web("page/locales");

/** Words that are looked up by a name made at run time, which the compiler checks (page/locales/complete.ts). */
const families =
  /^(code|encoding|engine|halfPrecision|hint|preset|sample|setting|unit|figure|tokens\.(char|byte|bpe)|compare\.(loss|axis)\.\w+|lora\.(attention|mlp)(Out)?|model\.memory|\w+\.(title|lead)$)/;

const readTable = async (name) => JSON.parse(await readFile(join(folder, name), "utf8"));

/** The placeholders of an entry, sorted: "size" of "{size:bytes}". */
function placeholders(entry) {
  const texts = typeof entry === "string" ? [entry] : Object.values(entry);
  const all = texts.flatMap((text) => [...text.matchAll(/\{(\w+)/g)].map(([, name]) => name));
  return [...new Set(all)].sort();
}

/** What is wrong with a table beside English. */
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

/** Words of which no source has the key. */
async function unused(english) {
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

/** Returns the codes of the languages. Rejects if a table is not right; writes the types of English beside it. */
export async function checkWords() {
  const english = await readTable("en.json");
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json") && name !== "en.json");
  const tables = await Promise.all(names.map(async (name) => faults(name, await readTable(name), english)));
  const wrong = [...tables.flat(), ...(await unused(english)).map((key) => `en.json: nothing says ${key}`)];
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  const types = `// Made by web/build/words.mjs.\ndeclare const words: ${JSON.stringify(english, undefined, 2)};\nexport default words;\n`;
  await writeFile(join(folder, "en.d.json.ts"), types);
  return ["en", ...names.map((name) => name.replace(/\.json$/, ""))];
}
