// Reads Word's documents with mammoth. It is given a copy of the file with the parts that hold text, unpacked within limits:
// mammoth unpacks whatever it is given, and pictures would only take memory.
import JSZip from "jszip";
import mammoth from "mammoth";
import type { Problem } from "../../shared/errors";
import type { Document } from "./document";
import { textOfMarkup } from "./markup";
import { Package } from "./package";

const withText = /^(\[Content_Types\]\.xml|_rels\/\.rels|word\/(_rels\/)?[^/]+\.(xml|rels))$/i;
/** Parts that mammoth does not need: the look, and what is at the edges of pages. */
const without = /^word\/(_rels\/)?(header|footer|theme|settings|webSettings|fontTable)\d*\.xml/i;
/** The beginning of Microsoft's older container: of an older document, or of one with a password, which is then a part of it. */
const container = [0xd0, 0xcf, 0x11, 0xe0];
const locked = [..."EncryptedPackage"].join("\0");

export async function readDocx(name: string, file: Blob): Promise<Document> {
  const start = new Uint8Array(await file.slice(0, container.length).arrayBuffer());
  if (container.every((byte, place) => start[place] === byte)) {
    const isLocked = new TextDecoder("latin1").decode(await file.arrayBuffer()).includes(locked);
    if (isLocked) throw { code: "document-encrypted", name } satisfies Problem;
    throw { code: "file-binary", name, kind: "doc" } satisfies Problem;
  }
  const opened = await Package.open(file);
  const copy = new JSZip();
  for (const part of opened.names)
    if (withText.test(part) && !without.test(part)) copy.file(part, await opened.bytes(part), { compression: "STORE" });
  const arrayBuffer = await copy.generateAsync({ type: "arraybuffer", compression: "STORE" });
  const convertImage = mammoth.images.imgElement(async () => ({ src: "" }));
  const { value } = await mammoth.convertToHtml({ arrayBuffer }, { convertImage, externalFileAccess: false });
  const { text, pictures } = textOfMarkup(value);
  const heads = opened.names.filter((part) => /^word\/(header|footer)\d*\.xml$/i.test(part));
  let remarks = 0;
  if (opened.has("word/comments.xml"))
    remarks = (await opened.xml("word/comments.xml")).split("<w:comment ").length - 1;
  return {
    data: new Blob([text]),
    leftOut: [
      { kind: "pictures", count: pictures },
      { kind: "remarks", count: remarks },
      { kind: "running-heads", count: await filled(opened, heads) },
    ],
  };
}

/** The number of headers and footers with text: Word keeps empty ones, too. */
async function filled(opened: Package, parts: readonly string[]): Promise<number> {
  let count = 0;
  for (const part of parts) count += /<w:t[ >]/.test(await opened.xml(part)) ? 1 : 0;
  return count;
}
