// Charts the losses of several runs over one axis. Drawn on a canvas; the table beside it has the same values as text.
import { html, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import uPlot from "uplot";
import type { RunRecord } from "../../api/lorito";
import { duration, fixed, number, short, t } from "../i18n";
import { type Look, Plot } from "../plot";
import { type Axis, curveOf, type Loss } from "./axis";

/** The most runs with a colour of their own; each also has a line style, to be distinguished without colours. */
export const MOST_CURVES = 6;
const dashes = [[], [8, 4], [2, 3], [12, 4, 2, 4], [5, 2], [1, 5]];

@customElement("lorito-compare-chart")
export class CompareChart extends Plot {
  @property({ attribute: false }) records: readonly RunRecord[] = [];
  @property({ attribute: false }) loss: Loss = "validation";
  @property({ attribute: false }) axis: Axis = "step";
  protected override readonly ratio = 0.45;

  override render(): TemplateResult {
    const words = t("compare.inWords", {
      loss: t(`compare.loss.${this.loss}`),
      axis: t(`compare.axis.${this.axis}`),
      count: this.records.length,
    });
    return html`<div class="plot" role="img" aria-label=${words}></div>
      <p class="legend" aria-hidden="true"><output class="reading"></output></p>`;
  }

  /** Rebuilds the whole chart, since the language may have changed, too. */
  override updated(): void {
    this.build();
  }

  protected override data(): uPlot.AlignedData {
    const curves = this.records.map((record) => curveOf(record, this.loss, this.axis));
    return curves.length > 0 ? uPlot.join(curves.map(ordered)) : [[]];
  }

  /** Formats a coordinate of the x-axis, as its ticks do. */
  #place(place: number): string {
    return this.axis === "time" ? duration(place) : short(place);
  }

  protected override content({ axis, colour }: Look): ReturnType<Plot["content"]> {
    const points = this.loss === "validation";
    return {
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
    };
  }

  protected override reading([places, ...losses]: uPlot.AlignedData, at: number): string {
    const place = places?.[at];
    const values = losses.flatMap((curve, index) => {
      const value = curve[at];
      return value == null ? [] : [`${letterOf(index)} ${fixed(value, 3)}`];
    });
    return place === undefined ? "" : `${this.#place(place)}: ${values.join(" / ")}`;
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
