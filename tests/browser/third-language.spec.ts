// Tests that a language needs one file: with it in web/page/locales, and no other change, the page offers and uses it.
import { execFile } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "./guard";
import { onceIsEnough, press, small } from "./person";

onceIsEnough();

const root = fileURLToPath(new URL("../../", import.meta.url));
/** Paths that are not copied: build outputs, and packages, which are linked. */
const built = /^web\/(\.build|node_modules)(\/|$)/;

type Table = Record<string, string | Record<string, string>>;

/** The English table with a mark before each sentence, in place of a translation. */
function skeleton(english: Table): Table {
  const marked = (words: string) => `[pt] ${words}`;
  const entries = Object.entries(english).map(([key, entry]) => {
    if (typeof entry === "string") return [key, marked(entry)];
    return [key, Object.fromEntries(Object.entries(entry).map(([form, words]) => [form, marked(words)]))];
  });
  return Object.fromEntries(entries);
}

test("pt.json alone makes Portuguese a language of the page", async ({ page }) => {
  const copy = await mkdtemp(join(tmpdir(), "lorito-"));
  try {
    // Of the crate, the bundle needs only the version and the licences of its dependencies.
    for (const name of await readdir(root))
      if (!["web", "target", "dist", ".git"].includes(name)) await symlink(join(root, name), join(copy, name));
    await cp(join(root, "web"), join(copy, "web"), {
      recursive: true,
      filter: (path) => !built.test(path.slice(root.length)),
    });
    await symlink(join(root, "web/node_modules"), join(copy, "web/node_modules"));
    const locales = join(copy, "web/page/locales");
    const english = JSON.parse(await readFile(join(locales, "en.json"), "utf8"));
    await writeFile(join(locales, "pt.json"), JSON.stringify(skeleton(english)));
    await promisify(execFile)("node", ["web/build/bundle.mjs"], { cwd: copy });

    await page.route("**/*", async (route) => {
      const file = join(copy, "web/.build", new URL(route.request().url()).pathname);
      if (existsSync(file) && statSync(file).isFile()) await route.fulfill({ path: file });
      else await route.fallback();
    });
    await page.goto(`?engine=cpu#${small}&steps=6&evalEvery=3`);
    const languages = page.getByLabel("Language");
    await expect(languages.getByRole("option")).toHaveText(["English", "Español", "Português"]);
    await languages.selectOption("pt");
    await expect(page.locator("html")).toHaveAttribute("lang", "pt");
    await expect(page.getByRole("heading", { level: 2 })).toHaveText(
      ["What do you want to make?", "Text", "Tokens", "Model", "Train", "Write", "Share"].map((name) => `[pt] ${name}`),
    );
    // A sentence with a plural and a value, and one that is shown only after the worker's answer.
    const text = page.getByRole("region", { name: "[pt] Text", exact: true });
    await press(text, /The Harbour/);
    await expect(text.getByText(/\[pt\] 1 document · \[pt\] [\d.]+ characters/)).toBeVisible();
    await page.locator("#files").setInputFiles({ name: "nada.txt", mimeType: "text/plain", buffer: Buffer.from("") });
    await expect(page.getByRole("alert")).toContainText("[pt] nada.txt is empty");
    // The language is also found by the address and by the browser's preference.
    await page.goto(`?engine=cpu&lang=pt-BR#${small}`);
    await expect(page.locator("html")).toHaveAttribute("lang", "pt");
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});
