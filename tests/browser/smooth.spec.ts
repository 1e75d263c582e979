// The page stays responsive during all work of the engine: its main thread is never blocked for longer than 50 ms.
import { expect, test } from "./guard";
import { longestTask } from "./longest-task";
import { drawn, ended, press, small, step, takeSample, train, write } from "./person";

// With all animations.
test.use({ contextOptions: { reducedMotion: "no-preference" } });

test(
  "no task of the page takes 50 ms, from the first drawing to the end of a run",
  { tag: "@alone" },
  async ({ page }, { project }) => {
    const longest = await longestTask(page, async () => {
      await page.goto(`?engine=${project.name}#${small}&steps=200&evalEvery=50`);
      await takeSample(page);
      await page.getByRole("button", { name: "Train now" }).click();
      await ended(page);
    });
    expect(longest).toBeLessThan(50);
  },
);

test(
  "no task of the page takes 50 ms during training with every inspection open",
  { tag: "@alone" },
  async ({ page }, { project }) => {
    await page.goto(`?engine=${project.name}#${small}&steps=100&evalEvery=50`);
    await train(page);
    const longest = await longestTask(page, async () => {
      await press(step(page, "Train"), /^Train .* more steps$/);
      await write(page, "The wind ");
      await step(page, "Write").getByText("Look inside", { exact: true }).click();
      const tokens = page.getByRole("toolbar", { name: "The tokens of the text" }).getByRole("button");
      await tokens.nth(20).click();
      await page.getByLabel("what it looked at").check();
      for (const place of [10, 25, 30]) await tokens.nth(place).hover();
      await press(page, "Draw the map");
      await page.getByLabel("Find a token").fill("e");
      await page.locator(".found").getByRole("button").first().click();
      await step(page, "Train").getByText("One step in slow motion", { exact: true }).click();
      await press(page, "Show the next step");
      for (let at = 1; at < 8; at++) await press(page.locator(".slow-motion"), "Next");
      await drawn(page);
      await ended(page);
    });
    expect(longest).toBeLessThan(50);
  },
);

test(
  "no task of the page takes 50 ms during training with every explanation open",
  { tag: "@alone" },
  async ({ page }, { project }) => {
    const longest = await longestTask(page, async () => {
      await page.goto(`?engine=${project.name}#${small}&steps=200&evalEvery=20`);
      for (const summary of await page.locator(".explain > summary").all()) await summary.click();
      await expect(page.locator("lorito-lesson .words")).toHaveCount(6);
      await takeSample(page);
      await page.getByRole("button", { name: "Train now" }).click();
      await ended(page);
      await expect(page.locator("#train .picture")).toHaveCount(2);
    });
    expect(longest).toBeLessThan(50);
  },
);
