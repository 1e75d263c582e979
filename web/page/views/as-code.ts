// The "As code" fold at the end of each step; its content is loaded when it is opened.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { part } from "../../shared/part";
import { t } from "../i18n";
import type { Step, Store } from "../state";

@customElement("lorito-as-code")
export class AsCode extends LitElement {
  @property({ attribute: false }) store!: Store;
  @property({ attribute: false }) of: Step = "text";
  /** Whether it is open and its code is loaded. */
  @state() private ready = false;

  /** Renders into the page's own tree, like all views. */
  override createRenderRoot(): HTMLElement {
    return this;
  }

  override render(): TemplateResult {
    return html`<details class="fold as-code" @toggle=${this.#toggled}>
      <summary>${t("asCode.title")}<span class="visually-hidden">: ${t(`${this.of}.title`)}</span></summary>
      ${this.ready ? html`<lorito-code .store=${this.store} .of=${this.of}></lorito-code>` : nothing}
    </details>`;
  }

  async #toggled(event: Event): Promise<void> {
    const details = event.target as HTMLDetailsElement;
    if (details.open)
      await this.store.attempt(this.of, undefined, async () => {
        await part(import("../as-code/panel"));
        this.ready = details.open;
      });
    else this.ready = false;
  }
}
