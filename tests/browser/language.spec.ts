// The page in another language: as the browser asks, as the address asks, as the person chooses.
import { expect, test } from "./guard";
import { onceIsEnough, press, small } from "./person";

onceIsEnough();

const settings = `${small}&steps=6&evalEvery=3`;

test.describe("a browser that asks for Spanish", () => {
  test.use({ locale: "es-CL" });

  test("gets it, to the end of a run, and English when the person chooses it, with nothing lost", async ({ page }) => {
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
    // What a screen reader was told last is in the new language, too.
    await expect(step("Train").locator("p.visually-hidden[role=status]")).toContainText(/train/i);
    for (const words of ["Texto", "Pérdida", "Guardar"]) await expect(page.getByText(words)).toHaveCount(0);

    await page.reload();
    await expect(page.locator("html"), "the choice is remembered").toHaveAttribute("lang", "en");
    await page.goto(`?engine=cpu&lang=es#${settings}`);
    await expect(page.locator("html"), "the address counts first").toHaveAttribute("lang", "es");
  });
});

test("what goes wrong is said in Spanish, too", async ({ page }) => {
  await page.goto(`?engine=cpu&lang=es#${settings}`);
  await page.locator("#files").setInputFiles({ name: "nada.txt", mimeType: "text/plain", buffer: Buffer.from("") });
  await expect(page.getByRole("alert")).toContainText("nada.txt está vacío");
});

test("a language that there is no file for leaves English", async ({ page }) => {
  await page.goto(`?engine=cpu&lang=xx#${settings}`);
  await expect(page.locator("html")).toHaveAttribute("lang", "en");
});
