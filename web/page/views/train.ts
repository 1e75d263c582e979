// The fourth step: training, with its progress and results.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import { part } from "../../shared/part";
import { duration, fixed, number, percent, t, time, type Words, wordsOf } from "../i18n";
import { setNotify } from "../in-background";
import { goOnWithCpu, mayReplace, modelDiffers, startTraining } from "../prepare";
import { type Shape, TRAIN_FIELDS } from "../settings";
import { GPU_FAILURES, type Message, UNSAVED } from "../state";
import { adviceOn } from "./advice";
import "./compare-fold";
import { downloadRun } from "./downloads";
import { action, figures, settingField } from "./fields";
import { loraFields, overfitting } from "./fine-tuning";
import "./story";
import { View } from "./view";

/** Formats a metric, or a dash if there is none yet. */
function figure(value: number | null | undefined, digits: number): string {
  return value == null ? "–" : fixed(value, digits);
}

/** Formats a share in percent, or a dash if it is unknown. */
function share(value: number | undefined): string {
  return value === undefined ? "–" : percent(value);
}

@customElement("lorito-train")
export class TrainView extends View {
  /** What a screen reader announces: each phase and each evaluation, not every step. */
  @state() private announcement: readonly Words[] = [];
  #announced = 0;
  #phase = "";

  override render(): TemplateResult {
    const { steps, evaluations, samples } = this.state;
    const begun = this.#active || steps.length > 0 || evaluations.length > 0;
    return this.step(
      "train",
      html`${this.#controls()} ${this.#notify()} ${begun ? this.#course() : nothing}
        <p class="visually-hidden" role="status">${this.announcement.map((words) => words()).join(" ")}</p>
        ${
          begun
            ? html`<div class="course ${this.state.phase}">
              <lorito-story .samples=${samples} .turns=${this.state.model?.turns}></lorito-story>
              <div class="curve">
                <h3>${t("train.curve")}</h3>
                <lorito-chart .steps=${steps} .evaluations=${evaluations} .samples=${samples}></lorito-chart>
                ${this.#table()}
              </div>
            </div>
            ${this.state.progress ? html`<lorito-slow .store=${this.store}></lorito-slow>` : nothing}`
            : nothing
        }
        ${this.#settings()}
        <lorito-compare-fold .store=${this.store}></lorito-compare-fold>`,
    );
  }

  /** Loads the chart after the first rendering: uPlot alone takes half of the page's time limit for a task. */
  protected override firstUpdated(): void {
    void this.store.attempt("train", undefined, () => part(import("../chart")));
  }

  get #active(): boolean {
    return ["training", "paused", "recovering"].includes(this.state.phase) || this.state.progress !== undefined;
  }

  /** The first button is always the next action. It stays the same element, so that it keeps the focus. */
  #controls(): TemplateResult {
    const { phase, text, modelOrigin } = this.state;
    const { lorito, canContinue, shape } = this.store;
    const ready = shape !== undefined && this.state.busy === undefined && phase !== "starting";
    const running = phase === "training" || phase === "paused" || phase === "recovering";
    const next =
      phase === "paused"
        ? { label: t("train.continue"), able: true, act: () => lorito.resume() }
        : running
          ? { label: t("train.pause"), able: phase === "training", act: () => lorito.pause() }
          : {
              label: canContinue ? this.#more(shape?.train) : t("train.start"),
              able: ready && (text !== undefined || modelOrigin === "run"),
              act: () => void startTraining(this.store),
            };
    return html`<div class="controls">
      ${action({ ...next, kind: "primary" })}
      ${running ? action({ label: t("train.stop"), able: true, act: () => this.#stop() }) : nothing}
      ${
        !running && canContinue
          ? action({ label: t("train.over"), able: ready && text !== undefined, act: () => this.#startOver() })
          : nothing
      }
      <span class="hint" role="status">${running ? nothing : this.#hint()}</span>
    </div>`;
  }

  /** Asks for the browser's permission when it is switched on. */
  #notify(): TemplateResult | typeof nothing {
    const { notify } = this.state;
    if (notify === undefined) return nothing;
    return html`<div class="field switch">
      <input id="notify" type="checkbox" aria-describedby="notify-hint" .checked=${live(notify === "on")}
        @change=${async (event: Event) => {
          const input = event.target as HTMLInputElement;
          this.store.change({ notify: await setNotify(input.checked) });
          input.checked = this.state.notify === "on";
        }}>
      <label for="notify">${t("train.notify")}</label>
      <small id="notify-hint" role="status">${notify === "refused" ? t("train.notify.refused") : nothing}</small>
    </div>`;
  }

  /** What is missing before training can start, or what the button will do. */
  #hint(): string {
    const { busy, tasks, text, modelOrigin, plan, progress } = this.state;
    const { shape } = this.store;
    if (busy?.task === "making") return t("busy.making");
    if (busy?.task === "tokenizing") return t("busy.tokenizing");
    const opening = tasks.find(({ task }) => task === "opening");
    if (opening) return t("busy.opening", { name: opening.name });
    if (!text && modelOrigin !== "run") return t("need.text");
    if (!shape) return this.state.failed ? t("engine.failed") : t("need.engine");
    if (this.store.canContinue) {
      if (modelDiffers(this.store)) return t("train.differs");
      return progress ? t("train.ended", { step: progress.step }) : "";
    }
    return plan ? t("train.planned", { count: this.#steps(shape.train), time: duration(plan.seconds) }) : "";
  }

  /** With a time, about as many as fit into it. */
  #steps({ steps, timeLimit }: Shape["train"]): number {
    return timeLimit === undefined ? steps : (this.state.plan?.steps ?? steps);
  }

  /** Training goes on for so many steps, or for the time that the user gives. */
  #more(train: Shape["train"] | undefined): string {
    if (train?.timeLimit !== undefined) return t("train.moreTime", { time: duration(train.timeLimit) });
    return t("train.more", { count: train?.steps ?? 0 });
  }

  /** Stops training and moves the focus, because the stop button is removed when training ends. */
  #stop(): void {
    this.store.lorito.stop();
    this.querySelector<HTMLElement>(".controls button")?.focus();
  }

  #startOver(): void {
    if (mayReplace(this.store)) void startTraining(this.store, { over: true });
  }

  #course(): TemplateResult {
    const { progress, steps, evaluations, phase, savedAt } = this.state;
    const evaluation = evaluations.at(-1);
    const step = progress?.step ?? steps.at(-1)?.step ?? 0;
    const end = progress?.endStep ?? Math.max(step, 1);
    const loss = progress?.loss ?? steps.at(-1)?.loss;
    return html`<div class="going ${phase}">
        <label for="progress">${t("train.step", { step, end })}</label>
        <progress id="progress" max=${end} value=${step}></progress>
      </div>
      <div class="gauges">
        ${figures([
          [t("figure.trainLoss"), figure(loss, 3)],
          [t("figure.validationLoss"), figure(evaluation?.validationLoss, 3)],
          [t("figure.perplexity"), figure(evaluation?.perplexity, 2)],
          [t("figure.bitsPerByte"), figure(evaluation?.bitsPerByte, 3)],
        ])}
        ${figures([
          [t("figure.speed"), progress ? number(Math.round(progress.tokensPerSecond)) : "–", ...this.#workers()],
          [t("figure.elapsed"), progress ? duration(progress.elapsedSeconds) : "–"],
          [t("figure.left"), progress && phase !== "idle" ? duration(progress.secondsLeft) : "–"],
          [t("figure.saved"), savedAt === undefined ? "–" : time(savedAt)],
        ])}
      </div>
      ${overfitting(this.store)} ${adviceOn(this.store)}`;
  }

  /** How many processors compute each step, where it is more than one. */
  #workers(): [string?] {
    const workers = this.state.progress?.workers ?? 1;
    return workers > 1 ? [t("train.workers", { count: workers })] : [];
  }

  #table(): TemplateResult {
    const copied = new Map(this.state.samples.map((sample) => [sample.step, sample.copied]));
    return html`<details class="table">
      <summary>${t("chart.table")}</summary>
      <div class="scroll" tabindex="0" role="region" aria-label=${t("chart.table")}>
        <table>
          <thead>
            <tr>
              ${["step", "trainLoss", "validationLoss", "perplexity", "bitsPerByte"].map(
                (name) => html`<th scope="col">${t(`figure.${name}` as "figure.step")}</th>`,
              )}
              <th scope="col">${t("copied.column")}</th>
            </tr>
          </thead>
          <tbody>
            ${this.state.evaluations.map(
              (row) => html`<tr>
                <th scope="row">${number(row.step)}</th>
                ${[row.trainLoss, row.validationLoss, row.perplexity, row.bitsPerByte].map((value) => html`<td>${figure(value, 3)}</td>`)}
                <td>${share(copied.get(row.step))}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>`;
  }

  #settings(): TemplateResult {
    return html`<details class="more">
      <summary><span class="state">${this.#sentence()}</span> <span class="open">${t("details.change")}</span></summary>
      <fieldset class="fields">
        <legend>${t("train.settings")}</legend>
        ${TRAIN_FIELDS.map((field) => settingField(this.store, "train", field))}
        ${this.#precision()}
      </fieldset>
      ${loraFields(this.store)}
    </details>`;
  }

  /** Off until the engine's check of half precision has passed; the check runs when the user switches it on. */
  #precision(): TemplateResult {
    const { settings, halfPrecision } = this.state;
    const refused = settings.halfPrecision && halfPrecision !== undefined && halfPrecision !== "works";
    return html`<div class="field switch">
      <input id="half-precision" type="checkbox" aria-describedby="half-precision-hint"
        .checked=${live(this.store.shape?.train.halfPrecision ?? false)}
        @change=${(event: Event) => {
          const { checked } = event.target as HTMLInputElement;
          this.store.setSettings({ ...settings, halfPrecision: checked });
        }}>
      <label for="half-precision">${t("setting.halfPrecision")}</label>
      <small id="half-precision-hint" role="status">
        ${refused ? t(`halfPrecision.${halfPrecision}`) : t("hint.halfPrecision")}
      </small>
    </div>`;
  }

  #sentence(): string {
    const { shape } = this.store;
    if (!shape) return t("train.settings");
    return t("train.summary", { ...shape.train, count: this.#steps(shape.train) });
  }

  /** Adds actions to messages: downloading a run that cannot be saved, or continuing on the CPU after a GPU failure. */
  protected override messages(place: "train" | "page"): TemplateResult {
    return super.messages(place, (message: Message) => {
      if (UNSAVED.includes(message.report.code))
        return html`<button type="button" @click=${() => downloadRun(this.store)}>${t("train.download")}</button>`;
      if (GPU_FAILURES.includes(message.report.code) && this.state.ready?.engine === "webgpu")
        return html`<button type="button" @click=${() => this.#goOnWithCpu(message)}>${t("train.useProcessor")}</button>`;
      return nothing;
    });
  }

  async #goOnWithCpu(message: Message): Promise<void> {
    this.store.dismiss(message);
    await goOnWithCpu(this.store, message.tone === "error");
  }

  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    const { evaluations, phase, progress } = this.state;
    const last = evaluations.at(-1);
    const announced: Words[] = [];
    if (phase !== this.#phase) {
      this.#phase = phase;
      if (phase === "training") announced.push(wordsOf("phase.training"));
      else if (phase === "paused") announced.push(wordsOf("phase.paused"));
      else if (phase === "recovering") announced.push(wordsOf("phase.recovering"));
      else if (phase === "idle" && progress) announced.push(wordsOf("train.ended", { step: progress.step }));
    }
    // A short run may change its phase and evaluate between two renderings; both are announced.
    if (last && evaluations.length !== this.#announced)
      announced.push(() =>
        t("train.announced", {
          step: last.step,
          train: figure(last.trainLoss, 2),
          validation: figure(last.validationLoss, 2),
        }),
      );
    if (announced.length > 0) this.announcement = announced;
    this.#announced = evaluations.length;
  }
}
