// The table of words against the code: everything that can go wrong has a sentence, and no sentence is left over.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "./guard";
import { onceIsEnough } from "./person";

onceIsEnough();

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const table: Record<string, string | Record<string, string>> = JSON.parse(read("web/page/locales/en.json"));

const kebab = (name: string) => name.replace(/(?<!^)([A-Z])/g, "-$1").toLowerCase();
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Every variant of a Rust enum that is sent to the page: its code and the fields beside it. */
function variants(source: string, name: string): { code: string; fields: string[] }[] {
  const body = source.match(new RegExp(`pub enum ${name} \\{\\n([\\s\\S]*?)\\n\\}`))?.[1] ?? "";
  return [...body.matchAll(/^ {4}([A-Z]\w*)(?: \{([^}]*)\})?,/gm)].map(([, variant = "", fields = ""]) => ({
    code: kebab(variant),
    fields: [...fields.matchAll(/(\w+):/g)].map(([, field = ""]) => camel(field)),
  }));
}

function placeholders(sentence: string | Record<string, string> | undefined): string[] {
  const texts = typeof sentence === "string" ? [sentence] : Object.values(sentence ?? {});
  return texts.flatMap((text) => [...text.matchAll(/\{(\w+)/g)].map(([, name = ""]) => name));
}

test("every error and notice of the crate has a sentence made of its fields", () => {
  const errors = variants(read("src/error.rs"), "Error");
  const notices = variants(read("src/corpus/source.rs"), "Notice");
  expect(errors.length).toBeGreaterThan(30);
  expect(notices.length).toBeGreaterThan(5);
  for (const { code, fields } of [...errors, ...notices]) {
    expect(`code.${code}` in table, code).toBe(true);
    // The sentence for all, and those for a kind of it, such as "code.tensor-shape.adapter".
    const ofThis = (key: string) => key === `code.${code}` || key.startsWith(`code.${code}.`);
    for (const key of Object.keys(table).filter(ofThis))
      for (const name of placeholders(table[key])) expect(fields, key).toContain(name);
  }
});

test("every error and notice of the page has a sentence", () => {
  const union = read("web/shared/errors.ts").match(/export type PageErrorCode =([\s\S]*?)\n\n/)?.[1] ?? "";
  const codes = [...union.matchAll(/\| "([\w-]+)"/g)].map(([, code]) => code);
  expect(codes.length).toBeGreaterThan(10);
  const told = ["recovered", "state-lost", "not-saved", "storage-cleared", "sample-missing", "engine-starting"];
  for (const code of [...codes, ...told]) expect(`code.${code}` in table, code).toBe(true);
});

test("every reason for an engine has words", () => {
  const union = read("web/shared/engines.ts").match(/export type EngineReason =([\s\S]*?)\n\n/)?.[1] ?? "";
  const reasons = [...union.matchAll(/\| "([\w-]+)"/g)].map(([, reason]) => reason);
  expect(reasons.length).toBeGreaterThan(5);
  for (const reason of reasons) {
    // A graphics card that works needs no explanation.
    if (reason !== "gpu-found") expect(`engine.reason.${reason}` in table, reason).toBe(true);
  }
});

test("no word is left over", () => {
  const files = ["api", "one-page", "page", "shared", "worker"].flatMap((room) =>
    readdirSync(new URL(`web/${room}/`, root), { recursive: true, encoding: "utf8" }).map((name) => `${room}/${name}`),
  );
  const code = files
    .filter((name) => name.endsWith(".ts"))
    .map((name) => read(`web/${name}`))
    .join("\n");
  const built =
    /^(code|encoding|engine|halfPrecision|hint|preset|sample|setting|figure|tokens\.(char|byte|bpe)|lora\.(attention|mlp)(Out)?|model\.memory|\w+\.(title|lead)$)/;
  const unused = Object.keys(table).filter((key) => !built.test(key) && !code.includes(`"${key}"`));
  expect(unused).toEqual([]);
});
