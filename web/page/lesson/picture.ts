// What the pictures share: a caption, the drawing as wide as there is room, so that its letters are never smaller than the
// page's, and the same in words for who does not see it.
import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { View } from "../views/view";

/** Wider than this, a drawing is no clearer. */
const WIDEST = 440;

export abstract class Picture extends View {
  /** Of the drawing. */
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

  /** A figure with a drawing of this height. `below`: what stands under it, in words. */
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

/** What will be drawn once there is something to draw. */
export function notYet(words: string): TemplateResult {
  return html`<p class="hint">${words}</p>`;
}

/** A token with what cannot be seen made visible. */
export function visible(text: string): string {
  return text.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\n", "↵");
}

/** About how wide a text is in a drawing. */
export function widthOf(text: string): number {
  return 8 * [...text].length;
}
