// Writes data into a page as <script> elements that browsers do not run: the wasm's two parts, the model, the licences.
import { packed } from "./packing";

type Bytes = Uint8Array<ArrayBuffer>;

export type Content = "wasm" | "deferred" | "model" | "licences";

/** Bytes per number in each content. */
export const numberBytes: Record<Content, number> = { wasm: 1, deferred: 1, model: 4, licences: 1 };

/** Longest text of one script, in bytes, so that no string in the browser is longer. */
const longest = 2 ** 20;

export const typeOf = (content: Content) => `application/x-lorito-${content}`;

/** The opening tags as they are written. No "<" occurs between them and the closing tag. */
export const opening = (content: Content) => `<script type="${typeOf(content)}">`;
const closing = "</script>\n";

/** The script elements, as a Blob that the browser may keep on disk. */
export async function scriptsOf(content: Content, data: ReadableStream<Bytes>): Promise<Blob> {
  const scripts: Blob[] = [];
  let texts: Bytes[] = [];
  let length = 0;
  const close = () => {
    scripts.push(new Blob([opening(content), ...texts, closing]));
    texts = [];
    length = 0;
  };
  const reader = packed(data, numberBytes[content]).getReader();
  for (;;) {
    const { value } = await reader.read();
    if (!value) break;
    texts.push(value);
    length += value.length;
    if (length >= longest) close();
  }
  close();
  return new Blob(scripts);
}
