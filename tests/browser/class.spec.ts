// Tests the link for a class, as a QR code with settings and language, and the simpler page that hides advanced parts.
// jsQR, which shares no code with the page's QR library, reads the code.
import type { Page } from "@playwright/test";
import jsQR from "jsqr";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { onceIsEnough, press, small, step, train, visit } from "./person";
import { LANGUAGES, wordsIn } from "./words";

onceIsEnough();

/** Decodes the displayed QR code, drawn with eight pixels per module. */
async function scanned(page: Page): Promise<string | undefined> {
  const [width, path] = await page.locator("lorito-link dialog svg").evaluate((code) => {
    const { width } = (code as SVGSVGElement).viewBox.baseVal;
    return [width, code.querySelector("path")?.getAttribute("d") ?? ""] as const;
  });
  const dark = new Set(
    [...path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map(([, x, y]) => `${Number(x) + 4} ${Number(y) + 4}`),
  );
  const scale = 8;
  const side = width * scale;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++)
      if (dark.has(`${Math.floor(x / scale)} ${Math.floor(y / scale)}`))
        pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
  // jsQR's types declare a default export, but Node imports the module itself.
  const read = ("default" in jsQR ? jsQR.default : jsQR) as typeof import("jsqr").default;
  return read(pixels, side, side)?.data;
}

for (const language of LANGUAGES)
  test(`${language}: the QR code's link has settings and language, and its page hides advanced parts`, async ({
    page,
  }) => {
    const say = wordsIn(language);
    await page.goto(`?engine=cpu&lang=${language}#${small}&steps=20`);
    await expect(page.getByText(say("engine.cpu"))).toBeVisible();
    const share = step(page, say("share.title"));
    await share.getByLabel(say("class.link")).check();
    await press(share, say("class.code"));
    const dialog = page.getByRole("dialog", { name: say("class.code.title") });
    await expect(dialog.locator("svg")).toBeVisible();
    const link = await scanned(page);
    expect(link).toContain(`?lang=${language}&class#`);
    expect(link).toContain("width=32");
    await expect(dialog.getByText(link ?? "", { exact: true })).toBeVisible();
    await expectNoFault(page);
    await press(dialog, say("class.close"));
    await expect(dialog).toBeHidden();
    await expect(share.getByRole("button", { name: say("class.code") })).toBeFocused();

    await page.goto(`${link?.replace("?", "?engine=cpu&")}`);
    await expect(page.getByText(say("engine.cpu"))).toBeVisible();
    await expect(page.locator("html")).toHaveAttribute("lang", language);
    for (const words of ["share.huggingface", "share.gguf", "share.openFolder"])
      await expect(share.getByRole("button", { name: say(words), exact: true })).toBeHidden();
    for (const words of ["share.safetensors", "share.save", "share.onePage", "share.open"])
      await expect(share.getByRole("button", { name: say(words), exact: true })).toBeVisible();
    await expectNoFault(page);
  });

test("the class's page trains a model, and shows everything on request", async ({ page }) => {
  await page.goto(`?engine=cpu&class#${small}&steps=20&evalEvery=10`);
  await expect(page.getByText("Runs on the processor.")).toBeVisible();
  await train(page);
  await step(page, "Train").getByText("Change", { exact: true }).click();
  await expect(step(page, "Train").getByLabel("Steps", { exact: true })).toBeVisible();
  await expect(step(page, "Train").getByLabel("Weight decay")).toBeHidden();
  await expect(page.getByRole("button", { name: "Copy a report" })).toBeHidden();
  await press(page, "Show everything");
  await expect(step(page, "Train").getByLabel("Weight decay")).toBeVisible();
  await expect(page.getByRole("button", { name: "Copy a report" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Show everything" })).toBeHidden();
  expect(new URL(page.url()).search).toBe("?engine=cpu");
  expect(await page.evaluate(async () => (await window.lorito.history()).steps.length), "the model stays").toBe(20);
});

test("a copied link has the language, and hides nothing without the class option", async ({ page, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await visit(page, "cpu", `${small}&steps=7`);
  await press(step(page, "Share"), "Copy link to settings");
  await expect(step(page, "Share").getByText("The link is copied.")).toBeVisible();
  const link = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  expect([...link.searchParams.keys()]).toEqual(["lang"]);
  expect(link.searchParams.get("lang")).toBe("en");
  expect(new URLSearchParams(link.hash.slice(1)).get("steps")).toBe("7");
  await page.goto(link.href);
  await expect(page.getByRole("button", { name: "Download Hugging Face folder" })).toBeVisible();
});

test("the link is shown as text if the browser denies copying", async ({ page }) => {
  await page.addInitScript(() => {
    navigator.clipboard.writeText = () => Promise.reject(new DOMException("", "NotAllowedError"));
  });
  await visit(page, "cpu", small);
  await press(step(page, "Share"), "Copy link to settings");
  await expect(
    step(page, "Share").getByText(/^This browser lets no page copy\. The link: http.*lang=en#/),
  ).toBeVisible();
});
