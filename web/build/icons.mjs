// Draws the icons of the installed page from web/public/parrot.svg: `node web/build/icons.mjs`, with Chromium in
// $LORITO_CHROMIUM. They are committed, as builds have no browser; run this when the parrot changes.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The absolute path of a file in web/. */
const web = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const chromium = process.env.LORITO_CHROMIUM ?? "chromium";

/** `share`: the parrot's part of the icon's width. A system may crop a maskable icon to four fifths of it. */
const icons = [
  { name: "192.png", side: 192, share: 0.9, ground: "transparent" },
  { name: "512.png", side: 512, share: 0.9, ground: "transparent" },
  { name: "maskable.png", side: 512, share: 0.6, ground: "#d8ebdc" },
];

const parrot = (await readFile(web("public/parrot.svg"), "utf8")).replace(/<svg /, '<svg id="parrot" ');
const folder = await mkdtemp(join(tmpdir(), "icons-"));
for (const { name, side, share, ground } of icons) {
  const margin = (side * (1 - share)) / 2;
  const page = join(folder, "icon.html");
  const style = `body{margin:0;background:${ground}}#parrot{position:absolute;inset:${margin}px;width:${side * share}px}`;
  await writeFile(page, `<!doctype html><style>${style}</style>${parrot}`);
  const flags = ["--headless", "--no-sandbox", "--hide-scrollbars", "--default-background-color=00000000"];
  await promisify(execFile)(chromium, [
    ...flags,
    `--screenshot=${web(`public/icons/${name}`)}`,
    `--window-size=${side},${side}`,
    page,
  ]);
}
await rm(folder, { recursive: true });
