// Uploads of a model to the hub: the reviewed files are sent unchanged, as the token's owner, and the token is not stored.
import type { Page } from "@playwright/test";
import { expectNoFault, openAll } from "./axe";
import { expect, fixture, hostOf, name, test, visitAndType } from "./hub-page";
import { prepare, problem } from "./lorito";
import { onceIsEnough, press, step } from "./person";

onceIsEnough();

const sendView = (page: Page) => step(page, "Share").locator("lorito-hub-send");

/** Fills in the destination, and opens the review. */
async function pack(page: Page, repo: string): Promise<void> {
  const view = sendView(page);
  await view.getByText(/^Send to the hub/).click();
  await view.getByLabel("Repository").fill(repo);
  await press(view, "Show what would be sent");
}

test("a model is uploaded as reviewed, and the token is stored nowhere", async ({ page, hub }) => {
  const token = "hf_writeForAna";
  hub.tokens.set(token, "ana");
  await visitAndType(page, hub);
  await prepare(page);
  const host = hostOf(hub);
  const view = sendView(page);
  await pack(page, "ana/ship");
  await expect(view.getByRole("heading", { name: /^\d+ files, .* to ana\/ship on .*, for you alone$/ })).toBeVisible();
  expect(hub.log).toEqual([]);
  const listed = (await view.locator(".sources .name").allInnerTexts()).sort();
  for (const path of ["config.json", "model.safetensors", "tokenizer.json", "README.md"])
    expect(listed).toContain(path);
  await view.getByText("Read README.md").click();
  await expect(view.locator(".card")).toContainText("Lorito");
  const field = view.getByLabel(`Access token for ${host}`);
  await expect(field).toHaveAttribute("type", "password");
  await expect(field).toHaveAttribute("autocomplete", "off");
  await field.fill(token);
  await press(view, `Send ${listed.length} files to ${host}`);
  await expect(view.getByRole("link")).toHaveAttribute("href", `${hub.address}/ana/ship`);
  await expect(field).toBeHidden();

  // The uploaded files equal the reviewed ones, and the export, byte for byte.
  const arrived = hub.files("ana/ship");
  const sent = await page.evaluate(async () => {
    const files = await window.lorito.hub.filesToSend("ship");
    return Promise.all(
      files.map(async ({ name, data }) => [name, [...new Uint8Array(await data.arrayBuffer())]] as const),
    );
  });
  expect(sent.map(([path]) => path).sort()).toEqual(listed);
  expect([...(arrived?.keys() ?? [])].sort()).toEqual([".gitattributes", ...listed].sort());
  for (const [path, bytes] of sent) expect(arrived?.get(path)?.equals(Buffer.from(bytes)), path).toBe(true);
  expect(hub.repos.get("ana/ship")?.isPrivate).toBe(true);
  // The token was sent only with requests that need it, and not to the storage of large files.
  const posts = hub.log.filter(({ line }) => line.startsWith("POST"));
  expect(posts.length).toBeGreaterThan(3);
  expect(posts.every((entry) => entry.token === token)).toBe(true);
  expect(hub.log.filter(({ line }) => line.startsWith("PUT")).map((entry) => entry.token)).toEqual([undefined]);

  // Neither the browser's storage nor the page has it afterwards.
  const left = await page.evaluate(async (token) => {
    const found: string[] = [];
    const look = async (folder: FileSystemDirectoryHandle, path: string): Promise<void> => {
      for await (const [name, entry] of folder.entries()) {
        if (entry instanceof FileSystemDirectoryHandle) await look(entry, `${path}/${name}`);
        else if (entry instanceof FileSystemFileHandle && (await (await entry.getFile()).text()).includes(token))
          found.push(`${path}/${name}`);
      }
    };
    await look(await navigator.storage.getDirectory(), "");
    const fields = [...document.querySelectorAll("input")].map(({ value }) => value);
    const kept = [localStorage, sessionStorage].map((storage) => JSON.stringify({ ...storage }));
    const all = [document.documentElement.outerHTML, document.cookie, location.href, ...fields, ...kept];
    const databases = (await indexedDB.databases()).length;
    return { found, isOnPage: all.some((text) => text.includes(token)), databases };
  }, token);
  expect(left).toEqual({ found: [], isOnPage: false, databases: 0 });
});

test("the hub's refusals are reported, and only reviewed files are sent", async ({ page, hub, guard }) => {
  guard.allowed.push(/Failed to load resource/);
  hub.tokens.set("hf_ana", "ana");
  await visitAndType(page, hub);
  await prepare(page);
  const host = hostOf(hub);
  const view = sendView(page);
  const alert = step(page, "Share").getByRole("alert");
  const confirm = async (token: string) => {
    await view.getByLabel(`Access token for ${host}`).fill(token);
    await press(view, /^Send \d+ files to/);
  };
  await pack(page, "ben/ship");
  await confirm("hf_nobody");
  await expect(alert).toContainText(`${host} does not know this token.`);
  await confirm("hf_ana");
  await expect(alert).toContainText(`This token does not allow to write to ben/ship on ${host}.`);
  // Another name: the review is no longer valid.
  await view.getByLabel("Repository").fill(name);
  await expect(view.getByLabel(`Access token for ${host}`)).toBeHidden();
  await press(view, "Show what would be sent");
  await confirm("hf_ana");
  await expect(alert).toContainText(`${name} is on ${host} already, for all the world to see, so nothing was sent.`);
  expect(hub.files(name)?.has("model.safetensors")).toBe(false);
  await view.getByLabel("Only I can see it").uncheck();
  await press(view, "Show what would be sent");
  await expect(view.getByRole("heading", { name: /for all the world$/ })).toBeVisible();
  await confirm("hf_ana");
  await expect(view.getByRole("link")).toBeVisible();
  await expect(alert).toBeHidden();
  expect(hub.files(name)?.has("model.safetensors")).toBe(true);
  await press(view, "Show what would be sent");
  await view.getByLabel(`Access token for ${host}`).fill("hf_ana");
  await press(view, "Do not send");
  expect(
    await page.locator("input").evaluateAll((all) => all.some((one) => (one as HTMLInputElement).value === "hf_ana")),
  ).toBe(false);
  expect(await problem(page, "hub.send('ana/x', [], { token: 'secret' })")).toMatchObject({
    code: "hub-token-invalid",
  });
});

test("an upload can be cancelled, and the repository stays unchanged", async ({ page, hub }) => {
  hub.tokens.set("hf_ana", "ana");
  hub.holdUploads = true;
  await visitAndType(page, hub);
  await prepare(page);
  const view = sendView(page);
  await pack(page, "ana/ship");
  const token = view.getByLabel(`Access token for ${hostOf(hub)}`);
  await token.fill("hf_ana");
  await page.keyboard.press("Enter");
  await expect(view.getByText(`Sending to ana/ship (${hostOf(hub)})…`)).toBeVisible();
  await expect.poll(() => hub.log.some(({ line }) => line.startsWith("PUT"))).toBe(true);
  await press(view, "Cancel");
  await expect(step(page, "Share").getByText("Stopped. Nothing has been added to the repository.")).toBeVisible();
  await expect(token).toBeFocused();
  expect([...(hub.files("ana/ship")?.keys() ?? [])]).toEqual([".gitattributes"]);
  hub.holdUploads = false;
  await press(view, /^Send \d+ files to/);
  await expect(view.getByRole("link")).toBeFocused();
  expect(hub.files("ana/ship")?.has("model.safetensors")).toBe(true);
});

test("axe finds no violation in the hub's forms", async ({ page, hub }) => {
  hub.put("datasets/ana/log", { "train-0.parquet": fixture("parquet/stories-0.parquet") });
  await visitAndType(page, hub);
  await prepare(page);
  await page.getByText(/^A dataset from the hub/).click();
  await page.getByLabel("Name of the dataset").fill("ana/log");
  await press(page, "Look it up");
  await expect(page.getByLabel("Which part")).toBeFocused();
  await pack(page, "ana/ship");
  await expect(sendView(page).getByText("Read README.md")).toBeVisible();
  await openAll(page);
  await expectNoFault(page);
  hub.holdAfter = 10_000;
  await step(page, "Share")
    .getByLabel(/^From the hub/)
    .fill(name);
  await page.keyboard.press("Enter");
  await expect(page.locator("#opening")).toBeVisible();
  await expectNoFault(page);
  await press(page, "Cancel");
  await expect(page.locator("#hub-model")).toBeFocused();
});
