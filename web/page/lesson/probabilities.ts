// Charts the next token's probabilities from the model's logits, and the effect of temperature and top-k on them.
import { html, svg, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { SETTINGS } from "../../shared/settings";
import { fixed, list, percent } from "../i18n";
import { Picture, visible, widthOf } from "./picture";
import { w } from "./words";

const SHOWN = 8;
const ROW = 26;
/** Characters of the text's beginning that are the prompt. */
const PROMPT_CHARACTERS = 24;
/** Plausible logits for the example's words. */
const EXAMPLE = [4.1, 3.7, 3.0, 2.6, 2.1, 1.6, 0.4, -0.6];

interface Scores {
  prompt: string;
  /** The likeliest token first. */
  tokens: { text: string; logit: number }[];
}

/** Softmax of the k highest logits (0: all) divided by the temperature. */
export function probabilities(logits: readonly number[], temperature: number, topK: number): number[] {
  const kept = logits.map((logit, index) => (topK === 0 || index < topK ? logit : Number.NEGATIVE_INFINITY));
  const highest = Math.max(...kept);
  // At temperature 0 only the likeliest token is left.
  const powers = kept.map((logit) =>
    temperature > 0 ? Math.exp((logit - highest) / temperature) : Number(logit === highest),
  );
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

@customElement("lorito-probabilities")
export class Probabilities extends Picture {
  protected override readonly reads = ["model", "text", "evaluations"] as const;
  @state() private temperature: number = SETTINGS.generate.temperature.default;
  @state() private topK: number = SETTINGS.generate.topK.default;
  @state() private scores: Scores | undefined;
  #asked: unknown[] = [];

  override render(): TemplateResult {
    const scores = this.scores ?? example();
    const { temperature, topK } = this;
    const all = probabilities(
      scores.tokens.map(({ logit }) => logit),
      temperature,
      topK,
    );
    const rows = scores.tokens.slice(0, SHOWN).map(({ text }, index) => ({
      token: visible(text),
      part: all[index] ?? 0,
      drawn: topK === 0 || index < topK,
    }));
    const left = Math.min(110, 8 + Math.max(...rows.map(({ token }) => widthOf(token))));
    const said = rows.map(({ token, part, drawn }) =>
      w("picture.share", { token, part: drawn ? percent(part) : w("picture.outOfDraw") }),
    );
    const caption = this.scores
      ? scores.prompt
        ? w("picture.likely", { prompt: scores.prompt })
        : w("picture.likelyFirst")
      : w("picture.example", { prompt: scores.prompt });
    return this.figure(
      caption,
      ROW * rows.length + 4,
      w("picture.likelyInWords", {
        temperature: fixed(temperature, 1),
        topK: topK === 0 ? w("picture.everyToken") : topK,
        shares: list(said),
      }),
      rows.map(({ token, part, drawn }, index) => {
        const y = ROW * index + 4;
        const width = Math.max(1, (this.width - left - 60) * part);
        return svg`<text class="mono" x=${left} y=${y + 15} text-anchor="end">${token}</text>
          <rect class="bar" x=${left + 8} y=${y} width=${drawn ? width : 0} height="20" rx="3" />
          <text class=${drawn ? "" : "quiet"} x=${left + 14 + (drawn ? width : 0)} y=${y + 15}>${drawn ? percent(part) : w("picture.outOfDraw")}</text>`;
      }),
      html`<div class="sliders">
        ${this.#slider("temperature", w("picture.temperature"), temperature, 2, 0.1, fixed(temperature, 1))}
        ${this.#slider("topK", w("picture.topK"), topK, SHOWN, 1, String(topK))}
      </div>`,
    );
  }

  #slider(
    name: "temperature" | "topK",
    label: string,
    value: number,
    max: number,
    step: number,
    shown: string,
  ): TemplateResult {
    const id = `lesson-${name}`;
    return html`<div class="field">
      <label for=${id}>${label}</label>
      <span class="measured"><input id=${id} type="range" min="0" max=${max} step=${step} .value=${String(value)}
        aria-valuetext=${shown}
        @input=${(event: Event) => {
          this[name] = (event.target as HTMLInputElement).valueAsNumber;
        }}> <output for=${id}>${shown}</output></span>
    </div>`;
  }

  /** Requests logits again after another model or a new evaluation. */
  protected override updated(): void {
    const { model, text, evaluations } = this.state;
    const beginning = promptOf(text?.preview ?? "");
    const key = [model, beginning, evaluations.length];
    if (key.every((value, index) => value === this.#asked[index])) return;
    this.#asked = key;
    if (model) void this.#ask(beginning, key);
    else this.scores = undefined;
  }

  async #ask(prompt: string, key: unknown[]): Promise<void> {
    const { lorito } = this.store;
    try {
      const logits = await lorito.logits(await lorito.encode(prompt));
      const order = Array.from(logits.keys()).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0));
      const texts = await Promise.all(order.slice(0, SHOWN).map((id) => lorito.decode([id])));
      if (this.#asked !== key) return;
      this.scores = {
        prompt,
        tokens: order.map((id, index) => ({ text: texts[index] ?? "", logit: logits[id] ?? 0 })),
      };
    } catch {
      // The model was removed meanwhile; the next one is used.
    }
  }
}

/** The text's first words, up to the end of a word. */
function promptOf(preview: string): string {
  const beginning = preview
    .replace(/<\|\w+\|>/g, "")
    .trimStart()
    .slice(0, PROMPT_CHARACTERS);
  const [line = ""] = beginning.split("\n");
  return line.includes(" ") ? line.slice(0, line.lastIndexOf(" ") + 1) : line;
}

function example(): Scores {
  const words = w("picture.exampleNext").split(" ");
  const tokens = EXAMPLE.map((logit, index) => ({ text: words[index] ?? "", logit }));
  return { prompt: w("picture.exampleStart"), tokens };
}
