// Writes PDFs for tests, from their objects: valid ones, and ones with whatever a test wants to be wrong.
import { deflateSync } from "node:zlib";

/** A file whose first object is the catalog. `trailer`: more entries of the trailer. */
export function pdf(objects: (string | Buffer)[], trailer = ""): Buffer {
  const parts: Buffer[] = [Buffer.from("%PDF-1.7\n")];
  const places: number[] = [];
  let at = 9;
  for (const [index, object] of objects.entries()) {
    const part = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), Buffer.from(object), Buffer.from("\nendobj\n")]);
    places.push(at);
    parts.push(part);
    at += part.length;
  }
  const lines = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  const size = objects.length + 1;
  const end = `xref\n0 ${size}\n0000000000 65535 f \n${lines}trailer\n<</Size ${size}/Root 1 0 R${trailer}>>\nstartxref\n${at}\n%%EOF`;
  return Buffer.concat([...parts, Buffer.from(end)]);
}

/** `length`: a false one. */
export function stream(content: string | Buffer, more = "", length?: number): Buffer {
  const data = Buffer.from(content);
  const head = Buffer.from(`<</Length ${length ?? data.length}${more}>>stream\n`);
  return Buffer.concat([head, data, Buffer.from("\nendstream")]);
}

export const flated = (content: Buffer | string) => stream(deflateSync(content), "/Filter/FlateDecode");

/** A book of pages, each with its lines in one column and its number below. */
export function book(pages: readonly string[][]): Buffer {
  const kids = pages.map((_, index) => `${4 + 2 * index} 0 R`).join(" ");
  return pdf([
    "<</Type/Catalog/Pages 2 0 R>>",
    `<</Type/Pages/Kids[${kids}]/Count ${pages.length}>>`,
    "<</Type/Font/Subtype/Type1/BaseFont/Times-Roman>>",
    ...pages.flatMap((lines, index) => [
      `<</Type/Page/Parent 2 0 R/MediaBox[0 0 420 595]/Resources<</Font<</F 3 0 R>>>>/Contents ${5 + 2 * index} 0 R>>`,
      flated(
        `BT /F 10 Tf 12 TL 40 550 Td ${lines.map((line) => `(${line}) Tj T*`).join(" ")} ET BT /F 9 Tf 200 20 Td (${index + 1}) Tj ET`,
      ),
    ]),
  ]);
}
