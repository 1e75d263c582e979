// What the pictures share: a caption, the drawing, and the same in words for who does not see it.
import { html, nothing, type TemplateResult } from "lit";

/** Drawings are this wide, and as wide as their column: on a telephone about as drawn. */
export const WIDTH = 360;

/** A figure with a drawing of this height. `below`: what stands under it, in words. */
export function picture(
  caption: string,
  height: number,
  inWords: string,
  drawing: unknown,
  below: unknown = nothing,
): TemplateResult {
  return html`<figure class="picture">
    <figcaption>${caption}</figcaption>
    <svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label=${inWords}>${drawing}</svg>
    ${below}
  </figure>`;
}

/** What will be drawn once there is something to draw. */
export function notYet(words: string): TemplateResult {
  return html`<p class="hint">${words}</p>`;
}

/** A token with what cannot be seen made visible. */
export function visible(text: string): string {
  return text.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\n", "↵");
}

/** About how wide a text is in a drawing, in letters of 13 units. */
export function widthOf(text: string): number {
  return 8 * [...text].length;
}
