// Datasets from the hub by their names.
import type { Page } from "@playwright/test";
import { expect, fixture, hostOf, test, visitWith } from "./hub-page";
import { onceIsEnough, press, step } from "./person";

onceIsEnough();

const findDataset = async (page: Page, text: string) => {
  const view = step(page, "Text");
  if (!(await view.getByLabel("Name of the dataset").isVisible()))
    await view.getByText("A dataset from the Hugging Face hub").click();
  await view.getByLabel("Name of the dataset").fill(text);
  await press(view, "Look it up");
};

test("a dataset is found by its name, and a part of it becomes text", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  const [whole, first, second] = ["stories", "stories-0", "stories-1"].map((table) =>
    fixture(`parquet/${table}.parquet`),
  );
  const data = "datasets/ana/log";
  hub.put(data, { "README.md": "# log", "data.csv": "no" });
  hub.put(
    data,
    {
      "default/test/0000.parquet": whole ?? "",
      "default/train/0000.parquet": first ?? "",
      "default/train/0001.parquet": second ?? "",
    },
    "refs/convert/parquet",
  );
  await visitWith(page, hub);
  const view = step(page, "Text");
  const host = hostOf(hub);
  await findDataset(page, "ana/log");
  const table = view.getByLabel("Which part");
  await expect(table).toBeFocused();
  await expect(table.locator("option")).toHaveText([/^\s*default, test: 10 kB\s*$/, /^\s*default, train: 6 kB\s*$/]);
  await expect(table.locator("option:checked")).toHaveText(/train/);
  expect(hub.log.some(({ line }) => line.includes("/cdn/"))).toBe(false);
  await press(view, `Fetch 6 kB from ${host}`);
  await expect(view.getByText("117 documents")).toBeVisible();
  await expect(view.getByText("ana/log train.parquet", { exact: true })).toBeVisible();
  // Another column of it needs no other request; fewer of its files come from what is kept.
  const asked = hub.log.length;
  await view.getByLabel("Read from").selectOption("title");
  await expect(view.getByText("120 documents")).toBeVisible();
  await view.getByLabel("Files").fill("1");
  await page.keyboard.press("Tab");
  await press(view, /^Fetch 2\.9 kB from/);
  await expect(view.locator(".sources li")).toHaveCount(2);
  await expect(view.getByText("59 documents")).toBeVisible();
  expect(hub.log.slice(asked)).toEqual([]);
  await expect(step(page, "Share").getByText(`datasets/ana/log (${host})`)).toBeVisible();

  // A dataset that the hub has not converted: its own tables; one that has none; and none at all.
  hub.put("datasets/ana/own", { "data/train-00000-of-00001.parquet": whole ?? "", "notes.txt": "x" });
  await findDataset(page, "ana/own");
  await expect(table.locator("option")).toHaveText([/default, train: 10 kB/]);
  hub.put("datasets/ana/words", { "words.txt": "words" });
  await findDataset(page, "ana/words");
  await expect(view.getByRole("alert")).toContainText(`ana/words on ${host} has no tables as Parquet files.`);
  await findDataset(page, "ana/none");
  await expect(view.getByRole("alert")).toContainText(`There is no ana/none on ${host}, or it is private.`);
});
