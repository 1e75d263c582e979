// Charts the loss: training loss at each step, validation loss at each evaluation and, on an axis of its own, the
// copied share of each sample. Drawn on a canvas; the table beside it has the same values as text.
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import uPlot from "uplot";
import type { Evaluation, Sample, StepRecord } from "../api/lorito";
import { fixed, number, percent, t } from "./i18n";

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
export class Chart extends LitElement {
  @property({ attribute: false }) steps: StepRecord[] = [];
  @property({ attribute: false }) evaluations: Evaluation[] = [];
  @property({ attribute: false }) samples: Sample[] = [];
  #plot: uPlot | undefined;
  #frame = 0;
  readonly #sizes = new ResizeObserver(() => this.#resize());
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #recolour = () => this.#build();

  override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Renders in a task of its own, like the views: building the plot takes as long as a view. */
  protected override async scheduleUpdate(): Promise<void> {
    await new Promise((done) => setTimeout(done));
    super.scheduleUpdate();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#dark.addEventListener("change", this.#recolour);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#dark.removeEventListener("change", this.#recolour);
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#plot?.destroy();
    this.#plot = undefined;
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

  override firstUpdated(): void {
    this.#build();
    const room = this.querySelector(".plot");
    if (room) this.#sizes.observe(room);
  }

  /** New values are drawn at most once per frame. */
  override updated(changed: PropertyValues): void {
    if (!["steps", "evaluations", "samples"].some((name) => changed.has(name))) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#redraw());
  }

  /** Adds the axis of the copied share with its first value, and removes it with another model. */
  #redraw(): void {
    if (this.#plot?.axes.length === this.#axes) this.#plot.setData(this.#data());
    else this.#build();
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
  #data(): uPlot.AlignedData {
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

  #build(): void {
    const room = this.querySelector<HTMLElement>(".plot");
    if (!room) return;
    this.#plot?.destroy();
    const style = getComputedStyle(this);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: colour("quiet"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
      font: `12px ${style.fontFamily}`,
    };
    this.#plot = new uPlot(
      {
        ...this.#room(room),
        legend: { show: false },
        cursor: { points: { size: 8 }, drag: { x: false, y: false } },
        padding: [12, 24, 0, 0],
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
        hooks: { setCursor: [(plot) => this.#read(plot)] },
      },
      this.#data(),
      room,
    );
  }

  #room(room: HTMLElement): { width: number; height: number } {
    const width = Math.max(240, room.clientWidth);
    return { width, height: Math.round(Math.min(340, Math.max(220, width * 0.55))) };
  }

  #resize(): void {
    const room = this.querySelector<HTMLElement>(".plot");
    if (room && this.#plot && room.clientWidth !== this.#plot.width) this.#plot.setSize(this.#room(room));
  }

  /** Shows the values under the pointer in the legend's line. */
  #read(plot: uPlot): void {
    const output = this.querySelector("output");
    const at = plot.cursor.idx;
    if (!output) return;
    const [steps, training, validation, copied] = plot.data;
    const step = at == null ? undefined : steps?.[at];
    const losses = at == null ? [] : [training?.[at], validation?.[at]].filter((value) => value != null);
    const values = losses.map((value) => fixed(value, 3));
    const share = at == null ? undefined : copied?.[at];
    if (share != null) values.push(percent(share));
    output.textContent = step === undefined ? "" : t("chart.at", { step, values: values.join(" / ") });
  }
}
