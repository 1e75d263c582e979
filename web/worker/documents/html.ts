// Reads saved web pages.
import type { Document } from "./document";
import { decodedPage, textOfMarkup } from "./markup";

export async function readHtml(_name: string, file: Blob): Promise<Document> {
  const { text, pictures } = textOfMarkup(decodedPage(new Uint8Array(await file.arrayBuffer())));
  return { data: new Blob([text]), leftOut: [{ kind: "pictures", count: pictures }] };
}
