// The "What happens here?" fold of a step; its content is loaded when it is opened.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { part } from "../../shared/part";
import { t } from "../i18n";
import type { Step } from "../state";
import { View } from "./view";

@customElement("lorito-explain")
export class Explain extends View {
  protected override readonly reads = [] as const;
  @property() about!: Step;
  @state() private open = false;
  /** Whether the lesson's element is loaded. */
  @state() private here = false;

  override render(): TemplateResult {
    return html`<details class="fold explain" @toggle=${this.#toggled}>
      <summary>${t("explain.open")}</summary>
      ${this.open && this.here ? html`<lorito-lesson .store=${this.store} .about=${this.about}></lorito-lesson>` : nothing}
    </details>`;
  }

  async #toggled({ currentTarget }: Event): Promise<void> {
    this.open = (currentTarget as HTMLDetailsElement).open;
    if (!this.open || this.here) return;
    const came = await this.store.attempt(this.about, undefined, () => part(import("../lesson/lesson")));
    this.here = came !== undefined;
  }
}
