// Charts the loss: training loss at each step, validation loss at each evaluation and, on an axis of its own, the
// copied share of each sample. Drawn on a canvas; the table beside it has the same values as text.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import type uPlot from "uplot";
import type { Evaluation, Sample, StepRecord } from "../api/lorito";
import { fixed, number, percent, t } from "./i18n";
import { type Look, Plot } from "./plot";

type Point = number | null;

/** On the right, because its values are not losses. */
const copiedAxis: uPlot.Axis = {
  scale: "copied",
  side: 1,
  size: 48,
  grid: { show: false },
  values: (_, ticks) => ticks.map((tick) => percent(tick)),
};

/** More points would lie closer than a screen can show: then each is the mean of a few steps. */
const MOST_POINTS = 1500;

@customElement("lorito-chart")
export class Chart extends Plot {
  @property({ attribute: false }) steps: StepRecord[] = [];
  @property({ attribute: false }) evaluations: Evaluation[] = [];
  @property({ attribute: false }) samples: Sample[] = [];
  protected override readonly ratio = 0.55;
  #frame = 0;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    cancelAnimationFrame(this.#frame);
  }

  override render(): TemplateResult {
    return html`<div class="plot" role="img" aria-label=${this.#inWords()}></div>
      <p class="legend" aria-hidden="true">
        <span class="training">${this.#stride > 1 ? t("chart.trainingMean", { count: this.#stride }) : t("chart.training")}</span>
        <span class="validation">${t("chart.validation")}</span>
        ${this.#copied === undefined ? nothing : html`<span class="copied">${t("copied.curve")}</span>`}
        <output class="reading"></output>
      </p>
      ${this.#isUncompared ? html`<p class="hint">${t("copied.notMeasured")}</p>` : nothing}`;
  }

  /** New values are drawn at most once per frame. */
  override updated(changed: PropertyValues): void {
    if (!["steps", "evaluations", "samples"].some((name) => changed.has(name))) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#redraw());
  }

  /** Adds the axis of the copied share with its first value, and removes it with another model. */
  #redraw(): void {
    if (this.plot?.axes.length === this.#axes) this.plot.setData(this.data());
    else this.build();
  }

  #inWords(): string {
    const last = this.evaluations.at(-1);
    const step = this.steps.at(-1);
    if (!last) return t("chart.empty");
    const [from, to] = [this.steps[0]?.loss ?? last.trainLoss, step?.loss ?? last.trainLoss];
    const values = { step: step?.step ?? last.step, from, to, validation: last.validationLoss };
    const losses = t(last.validationLoss === null ? "chart.inWordsTraining" : "chart.inWords", values);
    return this.#copied === undefined ? losses : `${losses} ${t("copied.inWords", { share: this.#copied })}`;
  }

  /** Whether there are samples after step 0, and none was compared with the text. */
  get #isUncompared(): boolean {
    return this.#copied === undefined && this.samples.some(({ step }) => step > 0);
  }

  /** The copied share of the last sample that has one. */
  get #copied(): number | undefined {
    return this.samples.findLast(({ copied }) => copied !== undefined)?.copied;
  }

  get #axes(): number {
    return this.#copied === undefined ? 2 : 3;
  }

  /** Steps behind one point of the training curve. */
  get #stride(): number {
    return Math.ceil(this.steps.length / MOST_POINTS);
  }

  /** All curves over one axis of steps: a step without an evaluation has no validation loss, and vice versa. */
  protected override data(): uPlot.AlignedData {
    const rows = new Map<number, [Point, Point, Point]>();
    for (let at = 0; at < this.steps.length; at += this.#stride) {
      const group = this.steps.slice(at, at + this.#stride);
      const mean = group.reduce((sum, { loss }) => sum + loss, 0) / group.length;
      rows.set(group.at(-1)?.step ?? 0, [mean, null, null]);
    }
    for (const { step, validationLoss } of this.evaluations)
      rows.set(step, [rows.get(step)?.[0] ?? null, validationLoss, null]);
    for (const { step, copied } of this.samples) {
      const [training, validation] = rows.get(step) ?? [null, null];
      if (copied !== undefined) rows.set(step, [training, validation, copied]);
    }
    const order = [...rows.keys()].sort((a, b) => a - b);
    const column = (index: 0 | 1 | 2) => order.map((step) => rows.get(step)?.[index] ?? null);
    return [order, column(0), column(1), column(2)];
  }

  protected override content({ axis, colour }: Look): ReturnType<Plot["content"]> {
    return {
      scales: { x: { time: false }, copied: { range: [0, 1] } },
      axes: [
        {
          ...axis,
          size: 32,
          values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? number(tick) : "")),
        },
        { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => number(tick)) },
        ...(this.#copied === undefined ? [] : [{ ...axis, ...copiedAxis }]),
      ],
      series: [
        {},
        { stroke: colour("training"), width: 1.5, spanGaps: true, points: { show: false } },
        {
          stroke: colour("validation"),
          width: 2.5,
          spanGaps: true,
          points: { show: true, size: 8, fill: colour("sheet"), width: 2.5 },
        },
        {
          scale: "copied",
          stroke: colour("sky"),
          width: 1,
          dash: [5, 4],
          spanGaps: true,
          points: { show: true, size: 4 },
        },
      ],
    };
  }

  protected override reading([steps, training, validation, copied]: uPlot.AlignedData, at: number): string {
    const step = steps?.[at];
    const losses = [training?.[at], validation?.[at]].filter((value) => value != null);
    const values = losses.map((value) => fixed(value, 3));
    const share = copied?.[at];
    if (share != null) values.push(percent(share));
    return step === undefined ? "" : t("chart.at", { step, values: values.join(" / ") });
  }
}
