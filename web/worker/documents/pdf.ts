// Reads the text of a PDF with pdf.js, of which the part for the worker runs in this one, beside the rest: the person's page
// does nothing, and this worker is ended with all of it. The legacy build runs in older browsers, too.
import "pdfjs-dist/legacy/build/pdf.worker.mjs";
import { getDocument, type PDFDocumentProxy, type PDFPageProxy, Util } from "pdfjs-dist/legacy/build/pdf.mjs";
import type { Problem } from "../../shared/errors";
import type { Document, Progress } from "./document";
import { type Fragment, linesOf, type Row, rowsOf } from "./page-layout";
import { paragraphsOf } from "./paragraphs";
import { withoutRunningHeads } from "./running-heads";

/** Largest number of pages, and of pages in a row that cannot be read before the file is given up. */
const mostPages = 20_000;
const mostBroken = 50;

export async function readPdf(name: string, file: Blob, progress: Progress): Promise<Document> {
  const loading = getDocument({
    data: new Uint8Array(await file.arrayBuffer()),
    // Only text is wanted: no fonts, pictures or forms.
    disableFontFace: true,
    enableXfa: false,
    isImageDecoderSupported: false,
    isOffscreenCanvasSupported: false,
    useSystemFonts: false,
    useWasm: false,
    useWorkerFetch: false,
    verbosity: 0,
  });
  const pdf = await loading.promise.catch((thrown: Error) => {
    if (thrown.name === "PasswordException") throw { code: "document-encrypted", name } satisfies Problem;
    throw thrown;
  });
  const { pages, unread, turned } = await pagesOf(name, pdf, progress);
  const withText = pages.filter((rows) => rows.length > 0);
  if (withText.length === 0) {
    if (unread > 0 || pdf.numPages < 1) throw new Error("no page can be read");
    throw { code: "pdf-without-text", name, count: pdf.numPages } satisfies Problem;
  }
  const heads = withoutRunningHeads(withText);
  return {
    data: new Blob([paragraphsOf(heads.pages.map(linesOf))]),
    leftOut: [
      // Lines that stand upright at an edge belong to the paper, too.
      { kind: "running-heads", count: heads.count + turned },
      { kind: "pages-without-text", count: pages.length - withText.length - unread },
      { kind: "damaged-pages", count: unread },
    ],
  };
}

async function pagesOf(name: string, pdf: PDFDocumentProxy, progress: Progress) {
  const { numPages } = pdf;
  if (numPages > mostPages)
    throw { code: "document-too-long", name, count: numPages, limit: mostPages } satisfies Problem;
  const pages: Row[][] = [];
  let [unread, broken, turned] = [0, 0, 0];
  for (let number = 1; number <= numPages; number++) {
    try {
      const page = await pdf.getPage(number);
      const placed = await fragmentsOf(page);
      pages.push(rowsOf(placed.fragments));
      turned += placed.turned;
      page.cleanup();
      broken = 0;
    } catch (thrown) {
      unread += 1;
      broken += 1;
      pages.push([]);
      if (broken === mostBroken) throw thrown;
    }
    progress(number / numPages);
  }
  return { pages, unread, turned };
}

/** The text of a page at its places as it is shown. Lines in other directions than most of it are left out. */
async function fragmentsOf(page: PDFPageProxy): Promise<{ fragments: Fragment[]; turned: number }> {
  const { items } = await page.getTextContent();
  const { transform } = page.getViewport({ scale: 1 });
  const byTurn: Fragment[][] = [[], [], [], []];
  for (const item of items) {
    if (!("str" in item) || item.str.trim() === "") continue;
    const [a, b, , , x, y] = Util.transform(transform, item.transform) as number[];
    // Quarters of a turn, clockwise, as y counts downwards.
    const quarter = (Math.round(Math.atan2(b ?? 0, a ?? 1) / (Math.PI / 2)) + 4) % 4;
    const places = [
      [x, y],
      [y, -(x ?? 0)],
      [-(x ?? 0), -(y ?? 0)],
      [-(y ?? 0), x],
    ];
    const [left = 0, baseline = 0] = places[quarter] ?? [];
    const height = Math.hypot(item.transform[2], item.transform[3]) || item.height || 1;
    byTurn[quarter]?.push({ text: item.str, x: left, y: baseline, width: item.width, height });
  }
  const letters = (some: Fragment[]) => some.reduce((sum, { text }) => sum + text.length, 0);
  const most = byTurn.reduce((one, other) => (letters(other) > letters(one) ? other : one));
  const turned = byTurn.filter((some) => some !== most).reduce((sum, some) => sum + rowsOf(some).length, 0);
  return { fragments: most, turned };
}
