// The scripts of a page that no browser runs: the wasm's two parts, model and licences as text, in pieces.
import { packed } from "./packing";

type Bytes = Uint8Array<ArrayBuffer>;

export type Content = "wasm" | "deferred" | "model" | "licences";

/** Bytes of a number in it. */
export const numberBytes: Record<Content, number> = { wasm: 1, deferred: 1, model: 4, licences: 1 };

/** Bytes of text in one script. No string of a browser's needs to be longer than that. */
const longest = 2 ** 20;

export const typeOf = (content: Content) => `application/x-lorito-${content}`;

/** The tags as they are written. No "<" stands between them. */
export const opening = (content: Content) => `<script type="${typeOf(content)}">`;
const closing = "</script>\n";

/** The scripts, which the browser may keep on disk. */
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
