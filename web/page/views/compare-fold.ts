// The fold for comparing runs; its view is loaded when it is opened.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { part } from "../../shared/part";
import { t } from "../i18n";
import { View } from "./view";

@customElement("lorito-compare-fold")
export class CompareFold extends View {
  protected override readonly reads = [] as const;
  @state() private open = false;

  override render(): TemplateResult {
    return html`<details class="fold" @toggle=${this.#toggled}>
      <summary>${t("compare.title")}</summary>
      ${this.open ? html`<lorito-compare .store=${this.store}></lorito-compare>` : nothing}
    </details>`;
  }

  readonly #toggled = (event: Event) => {
    const details = event.target as HTMLDetailsElement;
    void this.store.attempt("train", undefined, async () => {
      if (details.open) await part(import("./compare"));
      this.open = details.open;
    });
  };
}
