// Base class of the views: they render from the store into the page's own tree (no shadow DOM), so that they share one
// style sheet, and labels can refer to ids.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { property } from "lit/decorators.js";
import { sentenceOf, t } from "../i18n";
import { type Message, STEPS, type State, type Step, type Store } from "../state";

export abstract class View extends LitElement {
  @property({ attribute: false }) store!: Store;

  /** The parts of the state that it shows; undefined: all. Most parts do not change during training. */
  protected readonly reads?: readonly (keyof State)[];
  #shown: unknown[] = [];

  readonly #redraw = () => {
    const now = this.reads ? this.reads.map((key) => this.state[key]) : [this.state];
    if (now.every((value, index) => value === this.#shown[index])) return;
    this.#shown = now;
    this.requestUpdate();
  };

  protected get state(): State {
    return this.store.state;
  }

  override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Renders in a task of its own: rendering all views in one task would block the page for over 50 ms. */
  protected override async scheduleUpdate(): Promise<void> {
    await new Promise((done) => setTimeout(done));
    super.scheduleUpdate();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.store.addEventListener("change", this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.store.removeEventListener("change", this.#redraw);
  }

  /** Renders one step of the path: number, title, purpose and controls. */
  protected step(step: Step, body: unknown): TemplateResult {
    return html`<section id=${step} class="step" aria-labelledby="${step}-title">
      <header>
        <span class="leaf" aria-hidden="true">${STEPS.indexOf(step) + 1}</span>
        <h2 id="${step}-title" tabindex="-1">${t(`${step}.title`)}</h2>
        <p class="lead">${t(`${step}.lead`)}</p>
      </header>
      <lorito-explain .store=${this.store} .about=${step}></lorito-explain>
      ${this.messages(step)} ${body}
      <lorito-as-code .store=${this.store} .of=${step}></lorito-as-code>
    </section>`;
  }

  /** Renders the messages of this place. An error interrupts a screen reader, a notice waits for a pause. */
  protected messages(place: Step | "page", actions?: (message: Message) => unknown): TemplateResult {
    const here = this.state.messages.filter((message) => message.place === place);
    return html`<div class="messages" aria-live="polite">
      ${here.map(
        (message) => html`<div class="message ${message.tone}" role=${message.tone === "error" ? "alert" : nothing}>
          <p>${sentenceOf(message.report)}</p>
          ${actions?.(message)}
          <button type="button" class="plain" @click=${() => this.store.dismiss(message)}>${t("message.close")}</button>
        </div>`,
      )}
    </div>`;
  }
}

/** Scrolls to a step and focuses its title. Without animation, as content above may change its height meanwhile. */
export function goTo(step: Step): void {
  const title = document.getElementById(`${step}-title`);
  title?.closest("section")?.scrollIntoView();
  title?.focus({ preventScroll: true });
}
