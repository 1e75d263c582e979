// Tests the lesson for a class (docs/lesson.*.md): its bold words occur in the page, its steps work, and its worksheet
// prints on two pages.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "./guard";
import { onceIsEnough, press, step } from "./person";
import { LANGUAGES, type Speak, wordsIn } from "./words";

onceIsEnough();

const docs = new URL("../../docs/", import.meta.url);
const web = new URL("../../web/page/", import.meta.url);

/** All phrases of the page in a language, as patterns with a wildcard for each placeholder. */
function phrases(language: string): RegExp[] {
  const tables = ["locales", "lesson"].map((folder) =>
    Object.values(JSON.parse(readFileSync(new URL(`${folder}/${language}.json`, web), "utf8")) as object),
  );
  const texts = tables
    .flat()
    .flatMap((entry) => (typeof entry === "string" ? [entry] : Object.values(entry as object)));
  return texts.map((text: string) => {
    const parts = text.split(/\{\w+(?::\w+)?\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".+")}$`);
  });
}

for (const language of LANGUAGES) {
  test(`${language}: the lesson's bold words occur in the page`, () => {
    const known = phrases(language);
    const lesson = readFileSync(new URL(`lesson.${language}.md`, docs), "utf8");
    const bold = [...lesson.matchAll(/\*\*(.+?)\*\*/g)].map(([, words]) => words ?? "").slice(1);
    expect(bold.length).toBeGreaterThan(20);
    expect(bold.filter((words) => !known.some((phrase) => phrase.test(words)))).toEqual([]);
  });

  test(`${language}: the worksheet prints on two pages`, async ({ page }) => {
    await page.setContent(readFileSync(new URL(`lesson/worksheet.${language}.html`, docs), "utf8"));
    for (const format of ["A4", "Letter"]) {
      const printed = (await page.pdf({ format })).toString("latin1");
      expect(printed.match(/\/Type\s*\/Page\b/g), format).toHaveLength(2);
    }
  });

  test(`${language}: the lesson can be followed to its end`, async ({ page }) => {
    await followed(page, language, wordsIn(language));
  });
}

async function followed(page: import("@playwright/test").Page, language: string, say: Speak): Promise<void> {
  const sample = say(language === "es" ? "sample.cuentos.name" : "sample.harbour.name");
  const place = (name: string) => step(page, say(`${name}.title`));
  // The class's settings with fewer steps.
  await page.goto(`?engine=cpu&class&lang=${language}#preset=tiny&steps=30&evalEvery=10`);
  await press(place("text"), new RegExp(say("sample.use", { name: sample })));
  await place("text").getByText(say("explain.open")).click();
  await place("tokens").getByText(say("details.change"), { exact: true }).click();
  await press(place("tokens"), say("tokens.train"));
  await place("tokens").getByLabel(say("tokens.own")).fill("Ana");
  await expect(place("tokens").locator(".piece")).toHaveCount(3);
  await place("model").getByText(say("explain.open")).click();
  await press(place("train"), say("train.start"));
  await expect(
    place("train")
      .getByText(say("story.step", { step: 0 }))
      .first(),
  ).toBeVisible();
  await expect(place("train").getByRole("button", { name: say("train.more", { count: 30 }) })).toBeEnabled({
    timeout: 200_000,
  });
  await place("train").getByText(say("inside.slow.title")).click();
  await press(place("train"), say("inside.slow.take"));
  await press(place("train"), say("inside.slow.next"));
  await place("write").getByLabel(say("write.prompt")).fill("A");
  await press(place("write"), say("write.write"));
  await expect(place("write").getByRole("button", { name: say("write.write"), exact: true })).toBeEnabled();
  await place("write").getByText(say("write.options")).first().click();
  await place("write").getByLabel(say("setting.temperature")).fill("0.2");
  await place("write").getByText(say("inside.title"), { exact: true }).click();
  const tokens = place("write")
    .getByRole("toolbar", { name: say("inside.tokens") })
    .getByRole("button");
  await tokens.nth(3).click();
  const choices = place("write").getByRole("button", { name: say("inside.continueWith", { token: "" }).trim() });
  await expect(choices.first()).toBeVisible();
  await press(place("share"), say("share.save"));
  await expect(place("share").getByText(say("share.saved", { name: "lorito" }))).toBeVisible();
}

test("each language has a lesson and a worksheet", () => {
  const lessons = readdirSync(docs).filter((name) => name.startsWith("lesson."));
  expect(lessons.sort()).toEqual(LANGUAGES.map((language) => `lesson.${language}.md`).sort());
});
