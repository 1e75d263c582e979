// Shared by the tests of the hub: a page that uses a small hub on this machine.
import { readFileSync } from "node:fs";
import type { Page } from "@playwright/test";
import { expect, test as guarded } from "./guard";
import { HubServer } from "./hub-server";
import { step } from "./person";

export { expect };

export const fixture = (path: string): Buffer => readFileSync(new URL(`../fixtures/${path}`, import.meta.url));

/** A model of width 16, as one of Lorito's own files. */
export const small = fixture("models/small.safetensors");
/** The repository that contains it from the start. */
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

/** Opens the page with this hub in its address, for downloads. */
export async function visitWith(page: Page, hub: HubServer, more = ""): Promise<void> {
  await page.goto(`?engine=cpu&hub=${encodeURIComponent(hub.address)}${more}`);
  await expect(page.getByText(/^Runs on the /)).toBeVisible();
}

/** Opens the page and types this hub's address, so that it is also used for uploads. */
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
