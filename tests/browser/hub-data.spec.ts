// Datasets from the hub, by name.
import type { Page } from "@playwright/test";
import { expect, fixture, hostOf, test, visitWith } from "./hub-page";
import { onceIsEnough, press, step } from "./person";

onceIsEnough();

const findDataset = async (page: Page, text: string) => {
  const view = step(page, "Text");
  if (!(await view.getByLabel("Name of the dataset").isVisible()))
    await view.getByText(/^A dataset from the (Hugging Face )?hub/).click();
  await view.getByLabel("Name of the dataset").fill(text);
  await press(view, "Look it up");
};

test("a dataset is found by its name, and a part of it is added as text", async ({ page, hub, guard }) => {
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
  // Another column needs no further request; fewer files are read from the cache.
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

  // A dataset that the hub has not converted, with its own tables; one without tables; and one that does not exist.
  hub.put("datasets/ana/own", { "data/train-00000-of-00001.parquet": whole ?? "", "notes.txt": "x" });
  await findDataset(page, "ana/own");
  await expect(table.locator("option")).toHaveText([/default, train: 10 kB/]);
  hub.put("datasets/ana/words", { "words.txt": "words" });
  await findDataset(page, "ana/words");
  await expect(view.getByRole("alert")).toContainText(`ana/words on ${host} has no tables as Parquet files.`);
  await findDataset(page, "ana/none");
  await expect(view.getByRole("alert")).toContainText(`There is no ana/none on ${host}, or it is private.`);
});

test("a large part of a dataset is fetched only after confirmation", async ({ page, hub }) => {
  const table = fixture("parquet/stories-0.parquet");
  hub.put("datasets/ana/long", { "data/train-0.parquet": table, "data/test-00000-of-00002.parquet": table });
  hub.put("datasets/ana/long", { "data/test-00001-of-00002.parquet": Buffer.alloc(210_000_000) });
  await visitWith(page, hub);
  const view = step(page, "Text");
  await findDataset(page, "ana/long");
  await view.getByLabel("Which part").selectOption({ index: 0 });
  // The default is no more than what needs no confirmation.
  await expect(view.getByLabel("Files")).toHaveValue("1");
  await expect(view.getByRole("button", { name: /^Fetch 2\.9 kB from/ })).toBeVisible();
  await view.getByLabel("Files").fill("2");
  await page.keyboard.press("Tab");
  const asked: string[] = [];
  page.once("dialog", (dialog) => {
    asked.push(dialog.message());
    return dialog.dismiss();
  });
  await press(view, /^Fetch 210 MB from/);
  expect(asked).toEqual([expect.stringContaining(`This fetches 210 MB from ${hostOf(hub)}`)]);
  expect(hub.log.filter(({ line }) => line.includes("resolve"))).toEqual([]);
});

test("another hub can be set, and its address is required", async ({ page, hub }) => {
  hub.put("datasets/ana/log", { "train.parquet": fixture("parquet/stories.parquet") });
  await page.goto("?engine=cpu");
  const view = step(page, "Text");
  await view.getByText("A dataset from the Hugging Face hub").click();
  await expect(view.getByText("This asks huggingface.co what the dataset has")).toBeVisible();
  await view.getByText("Another hub").click();
  const field = view.getByLabel("The hub’s address");
  await field.fill("hub.example");
  await page.keyboard.press("Tab");
  await expect(view.getByRole("alert")).toContainText("This is not an address that can be fetched.");
  await expect(view.getByText("This asks huggingface.co what the dataset has")).toBeVisible();
  await field.fill(`${hub.address}/`);
  await page.keyboard.press("Tab");
  await expect(view.getByText(`This asks ${hostOf(hub)} what the dataset has`)).toBeVisible();
  await expect(view.getByRole("alert")).toBeHidden();
  await findDataset(page, "ana/log");
  await press(view, /^Fetch 10 kB from/);
  await expect(view.getByText("117 documents")).toBeVisible();
});
