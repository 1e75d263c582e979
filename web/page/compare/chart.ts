// Charts the losses of several runs over one axis. Drawn on a canvas; the table beside it has the same values as text.
import { html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import uPlot from "uplot";
import type { RunRecord } from "../../api/lorito";
import { duration, fixed, number, short, t } from "../i18n";
import { type Axis, curveOf, type Loss } from "./axis";

/** The most runs with a colour of their own; each also has a line style, to be distinguished without colours. */
export const MOST_CURVES = 6;
const dashes = [[], [8, 4], [2, 3], [12, 4, 2, 4], [5, 2], [1, 5]];

@customElement("lorito-compare-chart")
export class CompareChart extends LitElement {
  @property({ attribute: false }) records: readonly RunRecord[] = [];
  @property({ attribute: false }) loss: Loss = "validation";
  @property({ attribute: false }) axis: Axis = "step";
  #plot: uPlot | undefined;
  readonly #sizes = new ResizeObserver(() => this.#resize());
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #recolour = () => this.#build();

  override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Renders in a task of its own, like the views. */
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
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  override render(): TemplateResult {
    const words = t("compare.inWords", {
      loss: t(`compare.loss.${this.loss}`),
      axis: t(`compare.axis.${this.axis}`),
      count: this.records.length,
    });
    return html`<div class="plot" role="img" aria-label=${words}></div>
      <p class="legend" aria-hidden="true"><output class="reading"></output></p>`;
  }

  override firstUpdated(): void {
    const room = this.querySelector(".plot");
    if (room) this.#sizes.observe(room);
  }

  /** Rebuilds the whole chart, since the language may have changed, too. */
  override updated(): void {
    this.#build();
  }

  #data(): uPlot.AlignedData {
    const curves = this.records.map((record) => curveOf(record, this.loss, this.axis));
    return curves.length > 0 ? uPlot.join(curves.map(ordered)) : [[]];
  }

  /** Formats a coordinate of the x-axis, as its ticks do. */
  #place(place: number): string {
    return this.axis === "time" ? duration(place) : short(place);
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
    const points = this.loss === "validation";
    this.#plot = new uPlot(
      {
        ...this.#room(room),
        legend: { show: false },
        cursor: { points: { size: 8 }, drag: { x: false, y: false } },
        padding: [12, 24, 0, 0],
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 32, values: (_, ticks) => ticks.map((tick) => this.#place(tick)) },
          { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => number(tick)) },
        ],
        series: [
          {},
          ...this.records.map((_, index) => ({
            stroke: colour(`run-${(index % MOST_CURVES) + 1}`),
            dash: dashes[index % MOST_CURVES] ?? [],
            width: points ? 2.5 : 1.5,
            spanGaps: true,
            points: { show: points, size: 7, fill: colour("sheet"), width: 2 },
          })),
        ],
        hooks: { setCursor: [(plot) => this.#read(plot)] },
      },
      this.#data(),
      room,
    );
  }

  #room(room: HTMLElement): { width: number; height: number } {
    const width = Math.max(240, room.clientWidth);
    return { width, height: Math.round(Math.min(360, Math.max(220, width * 0.45))) };
  }

  #resize(): void {
    const room = this.querySelector<HTMLElement>(".plot");
    if (room && this.#plot && room.clientWidth !== this.#plot.width) this.#plot.setSize(this.#room(room));
  }

  /** Shows the values under the pointer. */
  #read(plot: uPlot): void {
    const output = this.querySelector("output");
    const at = plot.cursor.idx;
    if (!output) return;
    const [places, ...losses] = plot.data;
    const place = at == null ? undefined : places?.[at];
    const values = losses.flatMap((curve, index) => {
      const value = at == null ? null : curve[at];
      return value == null ? [] : [`${letterOf(index)} ${fixed(value, 3)}`];
    });
    output.textContent = place === undefined ? "" : `${this.#place(place)}: ${values.join(" / ")}`;
  }
}

/** The letter of a run beside its curve and in the tables: A, B, C. */
export function letterOf(index: number): string {
  return String.fromCharCode("A".charCodeAt(0) + index);
}

/** uPlot needs increasing x-coordinates; of two points with the same one the later is kept. */
function ordered([places, losses]: [number[], number[]]): [number[], number[]] {
  const points = new Map(places.map((place, index) => [place, losses[index] ?? 0]));
  const order = [...points.keys()].sort((one, other) => one - other);
  return [order, order.map((place) => points.get(place) ?? 0)];
}
