// Shows the run's next training step in slow motion, stage by stage, with the model's own numbers. A copy of the model
// computes it, so training is not affected.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import type { SlowMotion } from "../../../api/lorito";
import { t } from "../../i18n";
import { action } from "../fields";
import { View } from "../view";
import { STAGES } from "./stages";

/** Milliseconds per stage during playback. */
const PACE = 6000;

@customElement("lorito-slow-motion")
export class SlowMotionView extends View {
  protected override readonly reads = ["model"] as const;
  @state() private taken: SlowMotion | undefined;
  @state() private reading = false;
  @state() private stage = 0;
  @state() private playing = false;
  #model: unknown;
  #timer: ReturnType<typeof setTimeout> | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#pause();
  }

  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (this.#model !== this.state.model) this.taken = undefined;
    this.#model = this.state.model;
  }

  override render(): TemplateResult {
    const { taken } = this;
    const able = this.state.model !== undefined && !this.reading;
    return html`<div class="slow-motion">
      <p class="controls">
        ${action({ label: taken ? t("inside.slow.again") : t("inside.slow.take"), able, act: () => void this.#read() })}
        <span class="hint" role="status">${this.reading ? t("inside.reading") : nothing}</span>
      </p>
      ${taken ? this.#stage(taken) : nothing}
    </div>`;
  }

  async #read(): Promise<void> {
    this.#pause();
    this.reading = true;
    const { store } = this;
    const step = await store.attempt("train", undefined, () => store.lorito.inside.slowMotion());
    this.reading = false;
    if (!step) return;
    this.taken = step;
    this.stage = 0;
  }

  #stage(step: SlowMotion): TemplateResult {
    const stage = STAGES[this.stage];
    const last = STAGES.length - 1;
    if (!stage) return html``;
    return html`<p class="hint">${t("inside.slow.which", { step: step.step, tokens: step.positions.length, windows: step.windows, window: step.window })}</p>
      <ol class="stages" aria-label=${t("inside.slow.stages")}>
        ${STAGES.map(
          ({ title }, index) =>
            html`<li><button type="button" aria-current=${index === this.stage ? "step" : "false"} @click=${() => this.#go(index)}>${title()}</button></li>`,
        )}
      </ol>
      <div class="controls">
        ${action({ label: t("inside.slow.back"), able: this.stage > 0, act: () => this.#go(this.stage - 1) })}
        ${
          this.playing
            ? action({ label: t("inside.slow.pause"), able: true, act: () => this.#pause(), kind: "primary" })
            : action({ label: t("inside.slow.play"), able: true, act: () => this.#play(), kind: "primary" })
        }
        ${action({ label: t("inside.slow.next"), able: this.stage < last, act: () => this.#go(this.stage + 1) })}
      </div>
      <section class="sheet stage" aria-labelledby="stage-title">
        <h3 id="stage-title" aria-live="polite">${t("inside.slow.stage", { number: this.stage + 1, count: STAGES.length, title: stage.title() })}</h3>
        <p>${stage.about(step)}</p>
        ${stage.picture(step)}
      </section>`;
  }

  /** Selects a stage and pauses playback. */
  #go(stage: number): void {
    this.#pause();
    this.stage = stage;
  }

  #play(): void {
    if (this.stage === STAGES.length - 1) this.stage = 0;
    this.playing = true;
    this.#timer = setTimeout(() => this.#advance(), PACE);
  }

  #advance(): void {
    this.stage += 1;
    if (this.stage === STAGES.length - 1) this.#pause();
    else this.#timer = setTimeout(() => this.#advance(), PACE);
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.playing = false;
  }
}
