// Reads OpenDocument texts, as LibreOffice writes them (OASIS, OpenDocument 1.3, part 3).
import { Parser } from "htmlparser2";
import type { Problem } from "../../shared/errors";
import type { Document } from "./document";
import { Package } from "./package";
import { Prose } from "./prose";

const deepest = 2_000;
/** Elements whose text is not the document's. */
const skipped = new Set([
  "text:tracked-changes",
  "office:annotation",
  "text:note-citation",
  "office:forms",
  "text:ruby-text",
]);

export async function readOdt(name: string, file: Blob): Promise<Document> {
  const opened = await Package.open(file);
  const manifest = "META-INF/manifest.xml";
  if (opened.has(manifest) && (await opened.xml(manifest)).includes("encryption-data"))
    throw { code: "document-encrypted", name } satisfies Problem;
  const { text, pictures, remarks } = textOf(await opened.xml("content.xml"));
  return {
    data: new Blob([text]),
    leftOut: [
      { kind: "pictures", count: pictures },
      { kind: "remarks", count: remarks },
    ],
  };
}

function textOf(content: string): { text: string; pictures: number; remarks: number } {
  const body = new Prose();
  const notes = new Prose();
  let prose = body;
  let [depth, skip, cells, items, before, pictures, remarks] = [0, 0, 0, 0, 0, 0, 0];
  let isText = false;
  const paragraph = () => {
    if (cells > 0) prose.write(" ");
    else prose.break(items > 0 ? 1 : 2);
  };
  const parser = new Parser(
    {
      onopentag(name) {
        depth += 1;
        if (depth > deepest) throw new Error("its elements are nested too deep");
        isText ||= name === "office:text";
        if (name === "office:annotation") remarks += 1;
        if (skip > 0 || skipped.has(name)) {
          skip += 1;
          return;
        }
        if (name === "text:p" || name === "text:h") paragraph();
        else if (name === "text:tab") prose.exactly("\t");
        else if (name === "text:line-break") prose.lineEnd();
        else if (name === "text:s") prose.write(" ");
        else if (name === "text:note-body") prose = notes;
        else if (name === "text:list-item") {
          items += 1;
          if (cells === 0) prose.mark("- ");
        } else if (name === "table:table-row") {
          if (cells === 0) prose.break(1);
          before = 0;
        } else if (name === "table:table-cell") {
          if (before > 0) prose.cellEnd();
          before += 1;
          cells += 1;
        } else if (name === "draw:image") pictures += 1;
      },
      ontext(text) {
        if (isText && skip === 0) prose.write(text);
      },
      onclosetag(name) {
        depth -= 1;
        if (skip > 0) {
          skip -= 1;
          return;
        }
        if (name === "text:p" || name === "text:h") paragraph();
        else if (name === "text:note-body") prose = body;
        else if (name === "text:list-item") items -= 1;
        else if (name === "table:table-cell") cells -= 1;
        else if (name === "table:table") prose.break(2);
        else if (name === "text:list" && items === 0) prose.break(2);
      },
    },
    { xmlMode: true, decodeEntities: true },
  );
  parser.end(content);
  if (!isText) throw new Error("it is no text document");
  const text = [body, notes].map((some) => some.text().trim()).filter((some) => some !== "");
  return { text: text.join("\n\n"), pictures, remarks };
}
