// The files for hosts, in dist/ and docs/hosting/: all have the same headers, and refer to existing files.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "./guard";
import { onceIsEnough } from "./person";

onceIsEnough();

const ready = new URL("../../docs/hosting/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, ready), "utf8");

test("every host gets the same headers", async ({ request, baseURL }) => {
  const file = async (name: string) => (await request.get(`${baseURL}${name}`)).text();
  const [first, ...lines] = (await file("_headers")).trimEnd().split("\n");
  expect(first).toBe("/*");
  const headers = lines.map(
    (line) =>
      line
        .trim()
        .match(/^([\w-]+): (.+)$/)
        ?.slice(1) ?? [],
  );
  const served = (await request.get(baseURL ?? "")).headers();
  for (const [name = "", value] of headers) expect(served[name.toLowerCase()], name).toBe(value);
  expect((await file("nginx-headers.conf")).trimEnd().split("\n")).toEqual(
    headers.map(([name, value]) => `add_header ${name} "${value}" always;`),
  );

  // The front matter of a Space: one key per line, with custom headers below their own key.
  const [, front = ""] = (await file("README.md")).match(/^---\n([\s\S]*?)---\n/) ?? [];
  const space = Object.fromEntries(
    front
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/: ?/, 2)),
  );
  expect(space).toMatchObject({ title: "Lorito", sdk: "static", app_file: "index.html" });
  for (const name of ["cross-origin-embedder-policy", "cross-origin-opener-policy"])
    expect(space[`  ${name}`], name).toBe(served[name]);
  expect(space.short_description?.length).toBeLessThanOrEqual(60);
});

test("the hosting files publish the build's output", () => {
  const docs = readFileSync(new URL("../hosting.md", ready), "utf8");
  for (const name of readdirSync(ready)) expect(docs, name).toContain(`(hosting/${name})`);
  expect(read("netlify.toml")).toContain('publish = "dist"');
  expect(read("wrangler.toml")).toContain('pages_build_output_dir = "dist"');
  const workflow = readFileSync(new URL("../../.github/workflows/pages.yml", ready), "utf8");
  expect(workflow).toMatch(/run: cargo xtask build\n[\s\S]*path: dist\n/);
  expect(read("nginx.conf")).toContain("include /srv/lorito/dist/nginx-headers.conf;");
});
