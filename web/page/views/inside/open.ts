// The doors to what looks inside the model: one in Write, one in Train. What is behind them comes in files of its own, once
// somebody opens them; closed, they cost nothing.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { part } from "../../../shared/part";
import { t } from "../../i18n";
import type { Step, Store } from "../../state";

/** A view that is loaded, and drawn, while its door is open. */
abstract class Door extends LitElement {
  @property({ attribute: false }) store!: Store;
  @state() private open = false;
  @state() private loaded = false;

  /** Where it stands: what goes wrong is said there. */
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

/** In Write: what was written, token by token, and the map of all tokens. */
@customElement("lorito-inside")
export class InsideDoor extends Door {
  @property({ attribute: false }) prompt = "";
  @property({ attribute: false }) written = "";
  /** Whether it is still writing. */
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

/** In Train: one step in slow motion. */
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
