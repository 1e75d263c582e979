// Phones: every step fits a narrow screen in portrait and landscape, and controls are large enough for fingers.
import type { Page } from "@playwright/test";
import { openAll, violations } from "./axe";
import { expect, test } from "./guard";
import { converse, ended, onceIsEnough, press, small, step, takeSample, visit, write } from "./person";

onceIsEnough();

test.use({ viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true });

/** Controls that are too small for a finger or make a phone zoom, and how far the page overflows. */
async function faults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const found: string[] = [];
    const named = (element: Element) =>
      `${element.localName}#${element.id}.${element.className} “${(element.getAttribute("aria-label") ?? element.textContent ?? "").trim().slice(0, 40)}”`;
    for (const element of document.querySelectorAll<HTMLElement>(
      "button, summary, select, textarea, input, nav a, a:not(p a)",
    )) {
      if (!element.checkVisibility({ visibilityProperty: true }) || element.matches(".skip")) continue;
      // A checkbox can also be pressed by its label.
      const label = element.matches("[type=checkbox], [type=radio]")
        ? (element.closest("label") ?? document.querySelector(`label[for="${element.id}"]`))
        : undefined;
      const { width, height } = (label ?? element).getBoundingClientRect();
      // Tokens are a text, in which a width of 44 pixels would tear words apart.
      const least = element.matches(".token") ? 24 : 44;
      if (width < least || height < 44) found.push(`${named(element)}: ${Math.round(width)} × ${Math.round(height)}`);
      const isField = element.matches("input, select, textarea") && !label;
      if (isField && Number.parseFloat(getComputedStyle(element).fontSize) < 16)
        found.push(`${named(element)}: letters`);
    }
    const { clientWidth, scrollWidth } = document.documentElement;
    if (scrollWidth > clientWidth) found.push(`${scrollWidth} wide on a screen of ${clientWidth}`);
    return found;
  });
}

async function expectFit(page: Page): Promise<void> {
  for (const [width, height] of [
    [320, 640],
    [640, 320],
  ] as const) {
    await page.setViewportSize({ width, height });
    await expect.poll(() => faults(page), `${width} × ${height}`).toEqual([]);
  }
}

test("the main path fits a phone in portrait and landscape", async ({ page }) => {
  await visit(page, "cpu", `${small}&steps=40&evalEvery=20`);
  await expectFit(page);
  await openAll(page);
  await expectFit(page);
  await takeSample(page);
  await press(page, "Train now");
  await ended(page);
  await page.getByRole("button", { name: "Train tokenizer" }).click();
  await expect(page.locator(".piece").first()).toBeVisible();
  await write(page, "BAKER:");
  await openAll(page);
  await expectFit(page);
  await step(page, "Write").getByRole("tab", { name: "Chat" }).click();
  await converse(page, "Good morning");
  await press(step(page, "Share"), "Save on this device");
  await expect(step(page, "Share").getByText("lorito is saved on this device.")).toBeVisible();
  await page.setViewportSize({ width: 320, height: 640 });
  await step(page, "Model").getByLabel("Heads").fill("5");
  await page.keyboard.press("Tab");
  await expect(step(page, "Model").getByRole("alert")).toBeVisible();
  await expectFit(page);
  expect(await violations(page)).toEqual([]);
});

test("a model is shared by the share sheet in the file formats that it accepts", async ({ page }) => {
  await page.addInitScript(() => {
    const shared: { name: string; type: string; size: number }[] = [];
    let refuses = true;
    Object.assign(window, { shared });
    Object.assign(navigator, {
      canShare: ({ files }: ShareData) => files?.every(({ type }) => type === "text/html") ?? false,
      async share({ files = [] }: ShareData) {
        // Like browsers when too much time has passed since the click.
        if (refuses) {
          refuses = false;
          throw new DOMException("no press", "NotAllowedError");
        }
        for (const { name, type, size } of files) shared.push({ name, type, size });
      },
    });
  });
  await visit(page, "cpu", `${small}&steps=10&evalEvery=10`);
  await takeSample(page);
  await press(page, "Train now");
  await ended(page);
  const share = step(page, "Share");
  await expect(share.getByRole("button", { name: /^Share…/ })).toHaveText([
    "Share…: lorito.html",
    "Share…: lorito.q8_0.html",
  ]);
  await press(share, /^Share….*lorito\.html$/);
  await expect(share.getByText("lorito.html is packed.")).toBeVisible();
  await expectFit(page);
  await press(share, "Share it");
  await expect(share.getByText("lorito.html is packed.")).toBeHidden();
  const shared = await page.evaluate(() => (window as unknown as { shared: { size: number }[] }).shared);
  expect(shared).toEqual([{ name: "lorito.html", type: "text/html", size: expect.any(Number) }]);
  expect(shared[0]?.size).toBeGreaterThan(1_000_000);
});
