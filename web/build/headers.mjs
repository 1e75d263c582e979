// Writes the HTTP headers for hosts of the page: dist/_headers, which Netlify and Cloudflare Pages read and
// `cargo xtask serve` sends, dist/nginx-headers.conf, and dist/README.md, the configuration of a Hugging Face Space.
// The policy is the one in index.html; the rest is declared here.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const others = [
  // The browser may cache files but must revalidate them: the next build has other files of the same names.
  ["Cache-Control", "no-cache"],
  ["Cross-Origin-Opener-Policy", "same-origin"],
  ["Cross-Origin-Embedder-Policy", "require-corp"],
  ["X-Content-Type-Options", "nosniff"],
];

/** The page's content security policy, plus the part that works only as a header: no other page may frame this one. */
export function policyOf(page) {
  const [, policy] = page.match(/<meta\s+http-equiv="?Content-Security-Policy"?\s+content="([^"]+)"/i) ?? [];
  if (!policy) throw new Error("index.html has no Content-Security-Policy");
  return `${policy}; frame-ancestors 'none'`;
}

/** `folder`: contains index.html, and receives the files. */
export async function writeHeaders(folder) {
  const policy = policyOf(await readFile(join(folder, "index.html"), "utf8"));
  const headers = [["Content-Security-Policy", policy], ...others];
  const lines = headers.map(([name, value]) => `  ${name}: ${value}\n`);
  await writeFile(join(folder, "_headers"), `/*\n${lines.join("")}`);
  const directives = headers.map(([name, value]) => `add_header ${name} "${value}" always;\n`);
  await writeFile(join(folder, "nginx-headers.conf"), directives.join(""));
  await writeFile(join(folder, "README.md"), await spaceOf(headers));
}

/** A Space can set only custom headers with these names. */
const ofSpaces = /^cross-origin-(embedder|opener|resource)-policy$/;

async function spaceOf(headers) {
  const words = JSON.parse(await readFile(fileURLToPath(new URL("../page/locales/en.json", import.meta.url)), "utf8"));
  const own = headers.map(([name, value]) => [name.toLowerCase(), value]).filter(([name]) => ofSpaces.test(name));
  return `---
title: ${words.title}
emoji: 🦜
colorFrom: green
colorTo: yellow
sdk: static
app_file: index.html
short_description: ${words["page.tagline"]}
custom_headers:
${own.map(([name, value]) => `  ${name}: ${value}\n`).join("")}---

${words["page.tagline"]} ${words["page.private"]}
`;
}
