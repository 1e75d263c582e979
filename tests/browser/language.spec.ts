// Tests the page's language: from the browser, from the address, and from the user's choice.
import type { Page } from "@playwright/test";
import { expect, test } from "./guard";
import { onceIsEnough, press, small, step } from "./person";
import { LANGUAGES, wordsIn } from "./words";

onceIsEnough();

const settings = `${small}&steps=6&evalEvery=3`;

test.describe("a browser set to Spanish", () => {
  test.use({ locale: "es-CL" });

  test("shows Spanish to the end of a run, and English when the user chooses it, without losing state", async ({
    page,
  }) => {
    await page.goto(`?engine=cpu#${settings}`);
    await expect(page.locator("html")).toHaveAttribute("lang", "es");
    await expect(page.getByText("Funciona en el procesador")).toBeVisible();
    const step = (name: string) => page.getByRole("region", { name, exact: true });
    await press(step("Texto"), /The Harbour/);
    await expect(step("Texto").getByText("harbour.txt")).toBeVisible();
    await press(page, "Entrenar ahora");
    await expect(step("Entrenar").getByRole("button", { name: /^Entrenar 6 pasos más$/ })).toBeEnabled();
    await step("Escribir").getByRole("tab", { name: "Continuar un texto" }).click();
    await step("Escribir").getByLabel("Empezar con").fill("El puerto");

    await page.getByLabel("Idioma").selectOption("en");
    await expect(page.locator("html")).toHaveAttribute("lang", "en");
    await expect(step("Train").getByRole("button", { name: /^Train 6 more steps$/ })).toBeEnabled();
    await expect(step("Text").getByText("harbour.txt")).toBeVisible();
    await expect(step("Write").getByLabel("Begin with")).toHaveValue("El puerto");
    // The last announcement for screen readers is in the new language, too.
    await expect(step("Train").locator("p.visually-hidden[role=status]")).toContainText(/train/i);
    for (const words of ["Texto", "Pérdida", "Guardar"]) await expect(page.getByText(words)).toHaveCount(0);

    await page.reload();
    await expect(page.locator("html"), "the choice is remembered").toHaveAttribute("lang", "en");
    await page.goto(`?engine=cpu&lang=es#${settings}`);
    await expect(page.locator("html"), "the address counts first").toHaveAttribute("lang", "es");
  });
});

test("shows errors in Spanish, too", async ({ page }) => {
  await page.goto(`?engine=cpu&lang=es#${settings}`);
  await page.locator("#files").setInputFiles({ name: "nada.txt", mimeType: "text/plain", buffer: Buffer.from("") });
  await expect(page.getByRole("alert")).toContainText("nada.txt está vacío");
});

test("an unavailable language leaves the page in English", async ({ page }) => {
  await page.goto(`?engine=cpu&lang=xx#${settings}`);
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
});

/** Exports a folder and returns its texts. */
const exported = (page: Page, language: string) =>
  page.evaluate(async (language) => {
    const files = await window.lorito.hub.filesToSend("lorito", { language });
    const texts = files.filter(({ name }) => /\.(md|py|ipynb)$/.test(name));
    return Object.fromEntries(await Promise.all(texts.map(async ({ name, data }) => [name, await data.text()])));
  }, language) as Promise<Record<string, string>>;

for (const language of LANGUAGES)
  test(`${language}: a model is trained on a text, writes, is saved, exported and opened again`, async ({ page }) => {
    const say = wordsIn(language);
    await page.goto(`?engine=cpu&lang=${language}#${settings}`);
    await expect(page.getByText(say("engine.cpu"))).toBeVisible();
    const place = (name: string) => step(page, say(`${name}.title`));
    await page.locator("#files").setInputFiles({
      name: "mar.txt",
      mimeType: "text/plain",
      buffer: Buffer.from("El mar está en calma. The sea is calm. ¿Quién arregla la red?\n".repeat(60)),
    });
    await expect(place("text").getByText("mar.txt")).toBeVisible();
    await press(place("train"), say("train.start"));
    const more = place("train").getByRole("button", { name: say("train.more", { count: 6 }), exact: true });
    await expect(more).toBeEnabled();

    const write = async () => {
      await place("write")
        .getByRole("tab", { name: say("write.way.text") })
        .click();
      await place("write").getByLabel(say("write.prompt")).fill("El mar");
      await press(place("write"), say("write.write"));
      await expect(place("write").getByRole("button", { name: say("write.write"), exact: true })).toBeEnabled();
      return page.locator("#written").textContent();
    };
    const written = await write();
    expect(written?.length).toBeGreaterThan("El mar".length);

    const share = place("share");
    await share.getByLabel(say("share.name"), { exact: true }).fill("marea");
    await press(share, say("share.save"));
    await expect(share.getByText(say("share.saved", { name: "marea" }))).toBeVisible();
    for (const [button, name] of [
      ["share.safetensors", "marea.safetensors"],
      ["share.huggingface", "marea.zip"],
      ["share.onePage", "marea.html"],
    ] as const) {
      const download = page.waitForEvent("download");
      await press(share, say(button));
      expect((await download).suggestedFilename()).toBe(name);
    }
    const card = (await exported(page, language))["README.md"];
    const title = { en: "Carry on training", es: "Seguir entrenando" }[language];
    if (title) expect(card).toContain(`## ${title}`);

    await page.reload();
    await press(share, `${say("share.openSaved")}: marea`);
    await expect(share.getByText(say("share.opened", { name: "marea" }))).toBeVisible();
    expect(await write(), "the same model writes the same").toBe(written);
  });

test("a folder exported from the Spanish page is in Spanish, with the same code", async ({ page }) => {
  await page.goto(`?engine=cpu&lang=es#${settings}`);
  await page.evaluate(async () => {
    await window.lorito.addText("mar.txt", "El mar está en calma. ".repeat(100));
    await window.lorito.trainTokenizer({ kind: "char" });
    await window.lorito.createModel({ layers: 1, heads: 1, width: 16, context: 16 });
  });
  const [spanish, english] = [await exported(page, "es"), await exported(page, "en")];
  expect(spanish["README.md"]).toContain("| Tasa de aprendizaje |");
  expect(spanish["README.md"]).toContain("| Pérdida de validación | sin medir |");
  expect(spanish["continue_training.py"]).toContain("f\"Documentos: {text['documents']:,}\"");
  expect(spanish["continue_training.ipynb"]).toContain("# Seguir entrenando");
  expect(english["README.md"]).toContain("| Learning rate |");
  // A script that gives no language, or an unknown one, gets English.
  const unasked = await page.evaluate(async () => (await window.lorito.exportModel("huggingface")).size);
  const unknown = await page.evaluate(
    async () => (await window.lorito.exportModel("huggingface", "lorito", { language: "xx" })).size,
  );
  expect(unknown).toBe(unasked);
  // Without strings and comments, the code is the same in all languages.
  const code = (program = "") => program.replace(/"""[\s\S]*?"""/g, "").replace(/#.*|"(?:[^"\\\n]|\\.)*"/g, "");
  const lines = (program?: string) =>
    code(program)
      .split("\n")
      .map((line) => line.trimEnd())
      .filter(Boolean);
  expect(lines(spanish["continue_training.py"])).toEqual(lines(english["continue_training.py"]));
});
