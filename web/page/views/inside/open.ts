// The folds for inspecting the model: one in the Write step, one in the Train step. Their views are loaded when a fold
// is opened, and removed when it is closed.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { part } from "../../../shared/part";
import { t } from "../../i18n";
import type { Step, Store } from "../../state";

/** A fold whose view is loaded and rendered while it is open. */
abstract class Door extends LitElement {
  @property({ attribute: false }) store!: Store;
  @state() private open = false;
  @state() private loaded = false;

  /** The step that shows its errors. */
  protected abstract readonly place: Step;
  protected abstract heading(): string;
  protected abstract about(): string;
  protected abstract load(): Promise<unknown>;
  protected abstract view(): TemplateResult;

  override createRenderRoot(): HTMLElement {
    return this;
  }

  override render(): TemplateResult {
    return html`<details class="fold inside-door" @toggle=${this.#toggle}>
      <summary>${this.heading()}</summary>
      <p class="lead">${this.about()}</p>
      ${this.open && this.loaded ? this.view() : nothing}
    </details>`;
  }

  readonly #toggle = (event: Event) => {
    this.open = (event.target as HTMLDetailsElement).open;
    if (this.open && !this.loaded) void this.store.attempt(this.place, undefined, () => this.#load());
  };

  async #load(): Promise<void> {
    await part(this.load());
    this.loaded = true;
  }
}

/** In the Write step: the generated text, token by token, and the map of all tokens. */
@customElement("lorito-inside")
export class InsideDoor extends Door {
  @property({ attribute: false }) prompt = "";
  @property({ attribute: false }) written = "";
  /** Whether text is being generated. */
  @property({ attribute: false }) writing = false;
  protected readonly place = "write";

  protected heading(): string {
    return t("inside.title");
  }

  protected about(): string {
    return t("inside.about");
  }

  protected load(): Promise<unknown> {
    return Promise.all([import("./text"), import("./map")]);
  }

  protected view(): TemplateResult {
    const { store, prompt, written, writing } = this;
    return html`<lorito-inside-text .store=${store} .prompt=${prompt} .written=${written} .writing=${writing}></lorito-inside-text>
      <lorito-token-map .store=${store}></lorito-token-map>`;
  }
}

/** In the Train step: one step in slow motion. */
@customElement("lorito-slow")
export class SlowDoor extends Door {
  protected readonly place = "train";

  protected heading(): string {
    return t("inside.slow.title");
  }

  protected about(): string {
    return t("inside.slow.about");
  }

  protected load(): Promise<unknown> {
    return import("./slow");
  }

  protected view(): TemplateResult {
    return html`<lorito-slow-motion .store=${this.store}></lorito-slow-motion>`;
  }
}
