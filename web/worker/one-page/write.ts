// Writes a one-page model: one HTML file with everything it needs. The worker loads this on the first such export.
import type { EngineFiles } from "../../shared/engine-files";
import type { Problem } from "../../shared/errors";
import { scriptsOf } from "../../shared/one-page/scripts";
import type { OnePageWords } from "../../shared/one-page/words";

/** Larger models take browsers too long to open as a page, or need more memory than a tab gets. */
const largest = 2 ** 29;

/** Fetches one of this Lorito's own files. */
async function own(address: string): Promise<Response> {
  const response = await fetch(address).catch(() => undefined);
  if (!response?.ok) throw { code: "one-page-missing", status: response?.status ?? 0 } satisfies Problem;
  return response;
}

/** `model`: Lorito's own file; `files`: where this Lorito's own files lie. */
export async function writeOnePage(
  name: string,
  { language, words }: OnePageWords,
  model: Blob,
  files: EngineFiles,
): Promise<Blob> {
  if (model.size > largest) throw { code: "one-page-too-large", bytes: model.size, limit: largest } satisfies Problem;
  const [page, wasm, deferred, licences] = await Promise.all([
    own(files.onePage),
    own(files.wasm),
    own(files.deferred),
    own(files.licences),
  ]);
  if (!wasm.body || !deferred.body || !licences.body) throw { code: "one-page-missing", status: 0 } satisfies Problem;
  const parts: Record<string, BlobPart> = {
    language,
    name: asText(name),
    about: asText(words["onePage.about"]),
    noScript: asText(words["onePage.noScript"]),
    opening: asText(words["onePage.opening"]),
    words: JSON.stringify({ language, words }).replaceAll("<", "\\u003c"),
    licences: await scriptsOf("licences", licences.body),
    wasm: await scriptsOf("wasm", wasm.body),
    deferred: await scriptsOf("deferred", deferred.body),
    model: await scriptsOf("model", model.stream()),
  };
  // Every second piece is the name of a placeholder.
  const pieces = (await page.text()).split(/<!--(\w+)-->/);
  return new Blob(
    pieces.map((piece, index) => (index % 2 === 0 ? piece : (parts[piece] ?? ""))),
    { type: "text/html" },
  );
}

/** Escapes text for HTML. */
function asText(words: unknown): string {
  return String(words).replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
