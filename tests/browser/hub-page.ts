// What the tests of the hub share: a page that asks a small hub of this machine.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, test as guarded } from "./guard";
import { HubServer } from "./hub-server";
import { step } from "./person";

export { expect };

export const fixture = (path: string): Buffer => readFileSync(new URL(`../fixtures/${path}`, import.meta.url));

/** A model of 16 numbers a token, as one file of Lorito's. */
export const small = fixture("models/small.safetensors");
/** The repository that has it from the start. */
export const name = "ana/small";

export const test = guarded.extend<{ hub: HubServer }>({
  hub: async ({ guard }, use) => {
    const hub = new HubServer();
    await hub.start();
    guard.allowed.push(new RegExp(`^request to another origin: ${hub.address}/`));
    hub.put(name, { "README.md": "# small", "small.safetensors": small, "old.bin": "x" });
    await use(hub);
    await hub.stop();
  },
});

/** The page, with this hub in its address: models and datasets come from there. */
export async function visitWith(page: Page, hub: HubServer, more = ""): Promise<void> {
  await page.goto(`?engine=cpu&hub=${encodeURIComponent(hub.address)}${more}`);
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
}

/** The page, with this hub typed by the person, so that models are sent there, too. */
export async function visitAndType(page: Page, hub: HubServer): Promise<void> {
  await page.goto("?engine=cpu");
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
  const share = step(page, "Share");
  await share.getByText("Another hub", { exact: true }).click();
  await share.getByLabel("The hub’s address").fill(hub.address);
  await page.keyboard.press("Tab");
  await expect(share.getByText(`From the hub ${hostOf(hub)}`)).toBeVisible();
}

export const hostOf = (hub: HubServer): string => new URL(hub.address).host;
