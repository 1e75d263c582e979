// Base class of the pictures: a caption, a drawing as wide as the page allows so that its letters keep the page's size,
// and a text alternative.
import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { View } from "../views/view";

/** Largest useful width of a drawing, in pixels. */
const WIDEST = 440;

export abstract class Picture extends View {
  /** Width of the drawing, in pixels. */
  @state() protected width = 0;
  readonly #sizes = new ResizeObserver(([entry]) => {
    const width = Math.round(entry?.contentRect.width ?? 0);
    if (width > 0) this.width = Math.min(WIDEST, width);
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.#sizes.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#sizes.disconnect();
  }

  /** A figure with a drawing of this height. `below`: the text under it. */
  protected figure(
    caption: string,
    height: number,
    inWords: string,
    drawing: unknown,
    below: unknown = nothing,
  ): TemplateResult {
    return html`<figure class="picture">
      <figcaption>${caption}</figcaption>
      <p class="visually-hidden">${inWords}</p>
      ${
        this.width > 0
          ? html`<svg viewBox="0 0 ${this.width} ${height}" width=${this.width} height=${height} aria-hidden="true">${drawing}</svg>`
          : nothing
      }
      ${below}
    </figure>`;
  }
}

/** Placeholder until there is data to draw. */
export function notYet(words: string): TemplateResult {
  return html`<p class="hint">${words}</p>`;
}

/** Makes the spaces and line ends of a token visible. */
export function visible(text: string): string {
  return text.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\n", "↵");
}

/** Estimates the width of a text in a drawing, in pixels. */
export function widthOf(text: string): number {
  return 8 * [...text].length;
}
