// Charts the run's loss with explanations: perplexity at the right, the loss of uniform guessing, the start of
// overfitting.
import { html, svg, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import type { Evaluation } from "../../api/lorito";
import { fixed, number, short, t } from "../i18n";
import { notYet, Picture } from "./picture";
import { w } from "./words";

const HEIGHT = 232;
const [LEFT, TOP, BOTTOM] = [34, 34, HEIGHT - 34];

type Measured = Evaluation & { validationLoss: number; perplexity: number };

@customElement("lorito-curve")
export class Curve extends Picture {
  protected override readonly reads = ["evaluations", "best", "model"] as const;

  override render(): TemplateResult {
    const { evaluations, best, model } = this.state;
    const measured = evaluations.filter(
      (one): one is Measured => one.validationLoss !== null && one.perplexity !== null,
    );
    const last = measured.at(-1);
    if (!model || !last) return notYet(w("picture.noCurve"));
    const right = this.width - 34;
    const start = Math.log(model.vocabulary);
    const losses = evaluations.flatMap(({ trainLoss, validationLoss }) => [trainLoss, validationLoss]);
    const known = losses.filter((loss) => loss !== null && Number.isFinite(loss)) as number[];
    const [low, high] = [Math.max(0, Math.floor(2 * Math.min(...known)) / 2), Math.max(start, ...known) * 1.02];
    const end = Math.max(1, evaluations.at(-1)?.step ?? 1);
    const x = (step: number) => LEFT + ((right - LEFT) * step) / end;
    const y = (loss: number) => BOTTOM - ((BOTTOM - TOP) * (loss - low)) / (high - low);
    const line = (points: readonly (readonly [number, number | null])[]) =>
      points
        .flatMap(([step, loss]) => (loss === null ? [] : [`${x(step).toFixed(1)},${y(loss).toFixed(1)}`]))
        .join(" ");
    // Of an opened model only the evaluations are known; whether it overfits, only its run knows.
    const lowest = best ?? measured.reduce((one, other) => (other.validationLoss < one.validationLoss ? other : one));
    const overfits = best?.overfitting ?? false;
    const bestStep = lowest.step;
    const values = { step: number(last.step), loss: last.validationLoss, perplexity: fixed(last.perplexity, 1), start };
    const said = [
      w("picture.curveInWords", { ...values, vocabulary: model.vocabulary }),
      w(overfits ? "picture.curveBest" : "picture.curveBestSoFar", { step: bestStep }),
    ].join(" ");
    return this.figure(
      w("picture.curve"),
      HEIGHT,
      said,
      svg`<text class="quiet" x="0" y="12">${w("picture.loss")}</text>
        <text class="quiet" x=${this.width} y="12" text-anchor="end">${w("picture.perplexity")}</text>
        ${ticks(low, high).map(
          (tick) => svg`<line class="grid" x1=${LEFT} x2=${right} y1=${y(tick)} y2=${y(tick)} />
            <text class="quiet" x=${LEFT - 6} y=${y(tick) + 4} text-anchor="end">${number(tick)}</text>
            <text class="quiet" x=${right + 6} y=${y(tick) + 4}>${short(Number(Math.exp(tick).toPrecision(2)))}</text>`,
        )}
        <line class="blind" x1=${LEFT} x2=${right} y1=${y(start)} y2=${y(start)} />
        <text class="quiet" x=${right} y=${y(start) - 5} text-anchor="end">${w("picture.blind", { vocabulary: model.vocabulary })}</text>
        ${overfits ? overfitting(x(bestStep), right) : []}
        <polyline class="training" points=${line(evaluations.map(({ step, trainLoss }) => [step, trainLoss]))} />
        <polyline class="validation" points=${line(measured.map(({ step, validationLoss }) => [step, validationLoss]))} />
        <circle class="validation" cx=${x(last.step)} cy=${y(last.validationLoss)} r="4" />
        <circle class="best" cx=${x(bestStep)} cy=${y(lowest.validationLoss)} r="6" />
        <text class="quiet" x=${LEFT} y=${HEIGHT - 16}>${t("story.step", { step: 0 })}</text>
        <text class="quiet" x=${right} y=${HEIGHT - 16} text-anchor="end">${t("story.step", { step: end })}</text>
        <text x=${(LEFT + right) / 2} y=${HEIGHT - 2} text-anchor="middle">${w("picture.now", values)}</text>`,
      legend(bestStep),
    );
  }
}

/** Marks the steps after which the model overfits. */
function overfitting(from: number, right: number): TemplateResult {
  const nearEnd = from > (LEFT + right) / 2;
  return svg`<rect class="overfit" x=${from} y=${TOP} width=${right - from} height=${BOTTOM - TOP} />
    <line class="from" x1=${from} x2=${from} y1=${TOP} y2=${BOTTOM} />
    <text x=${from + (nearEnd ? -6 : 6)} y=${BOTTOM - 8} text-anchor=${nearEnd ? "end" : "start"}>${w("picture.overfits")}</text>`;
}

function legend(bestStep: number): TemplateResult {
  return html`<p class="legend">
    <span class="training">${w("picture.training")}</span> <span class="validation">${w("picture.validation")}</span>
    <span class="best">${w("picture.best", { step: bestStep })}</span>
  </p>`;
}

/** Round tick values between two losses. */
function ticks(low: number, high: number): number[] {
  const by = high - low > 3 ? 1 : high - low > 1.2 ? 0.5 : 0.2;
  const first = Math.ceil(low / by);
  return Array.from(
    { length: Math.floor(high / by) - first + 1 },
    (_, index) => Math.round(10 * by * (first + index)) / 10,
  );
}
