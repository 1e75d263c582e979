// Reads e-books in the order of their spine (W3C, EPUB 3.3).
import { Parser } from "htmlparser2";
import type { Problem } from "../../shared/errors";
import type { Document, Progress } from "./document";
import { decodedPage, textOfMarkup } from "./markup";
import { Package } from "./package";

/** Largest number of chapters. */
const mostChapters = 20_000;

interface Element {
  name: string;
  attributes: Record<string, string>;
}

export async function readEpub(name: string, file: Blob, progress: Progress): Promise<Document> {
  const opened = await Package.open(file);
  const encryption = "META-INF/encryption.xml";
  // Fonts may be obscured in any book; with locked chapters it opens only in its shop's program.
  if (opened.has(encryption) && /URI="[^"]+\.x?html?"/i.test(await opened.xml(encryption)))
    throw { code: "document-encrypted", name } satisfies Problem;
  const root = elementsOf(await opened.xml("META-INF/container.xml")).find((element) => element.name === "rootfile");
  const packagePath = root?.attributes["full-path"] ?? "";
  const elements = elementsOf(await opened.xml(packagePath));
  const items = new Map(
    elements.filter((element) => element.name === "item").map(({ attributes }) => [attributes.id, attributes]),
  );
  const spine = elements
    .filter((element) => element.name === "itemref" && element.attributes.linear !== "no")
    .map(({ attributes }) => items.get(attributes.idref ?? ""))
    .filter((item) => item !== undefined && !/\bnav\b/.test(item.properties ?? ""));
  if (spine.length > mostChapters) throw new Error(`it has ${spine.length} chapters`);
  const chapters: string[] = [];
  let pictures = 0;
  let missing = 0;
  for (const [index, item] of spine.entries()) {
    const path = resolved(packagePath, item?.href ?? "");
    if (!opened.has(path)) missing += 1;
    else {
      const chapter = textOfMarkup(decodedPage(await opened.bytes(path)));
      if (chapter.text !== "") chapters.push(chapter.text);
      pictures += chapter.pictures;
    }
    progress((index + 1) / spine.length);
  }
  if (missing === spine.length) throw new Error("it lacks its chapters");
  return {
    data: new Blob([chapters.join("\n\n")]),
    leftOut: [
      { kind: "pictures", count: pictures },
      { kind: "damaged-pages", count: missing },
    ],
  };
}

function elementsOf(xml: string): Element[] {
  const elements: Element[] = [];
  const onopentag = (name: string, attributes: Record<string, string>) => {
    // Without the prefix of a namespace.
    elements.push({ name: name.slice(name.indexOf(":") + 1), attributes });
    if (elements.length > 10 * mostChapters) throw new Error("its list of chapters is too long");
  };
  new Parser({ onopentag }, { xmlMode: true, decodeEntities: true }).end(xml);
  return elements;
}

/** The path of a part, relative to the file that names it. */
function resolved(from: string, href: string): string {
  const address = new URL(href, `book:/${from}`).pathname;
  try {
    return decodeURIComponent(address).replace(/^\/+/, "");
  } catch {
    return address.replace(/^\/+/, "");
  }
}
