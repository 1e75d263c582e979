// Renders the stages of a training step, each with its name, a few sentences and its numbers.
import { html, nothing, type TemplateResult } from "lit";
import type { PartUpdate, ShownRow, SlowMotion, SlowPosition } from "../../../api/lorito";
import { fixed, number, t } from "../../i18n";
import { figures } from "../fields";
import { bar, chance, figure, shades, visible } from "./token";

export interface Stage {
  title(): string;
  about(step: SlowMotion): string;
  picture(step: SlowMotion): TemplateResult;
}

export const STAGES: readonly Stage[] = [
  {
    title: () => t("inside.stage.ids"),
    about: () => t("inside.stage.ids.about"),
    picture: ({ positions }) =>
      html`<div class="scroll" tabindex="0" role="region" aria-label=${t("inside.stage.ids")}>
        <table class="across">
          <tbody>
            <tr><th scope="row">${t("inside.column.token")}</th>${positions.map(({ text }) => html`<td><span class="token">${visible(text)}</span></td>`)}</tr>
            <tr><th scope="row">${t("inside.column.id")}</th>${positions.map(({ id }) => html`<td>${number(id)}</td>`)}</tr>
            <tr><th scope="row">${t("inside.column.target")}</th>${positions.map(({ target }) => html`<td>${target == null ? "–" : html`<span class="token">${visible(target)}</span>`}</td>`)}</tr>
          </tbody>
        </table>
      </div>`,
  },
  {
    title: () => t("inside.stage.embedding"),
    about: (step) =>
      t("inside.stage.embedding.about", { width: step.width, token: shownToken(step), place: step.shown + 1 }),
    picture: ({ embedding }) => rows([[t("inside.stage.embedding"), embedding]]),
  },
  {
    title: () => t("inside.stage.block"),
    about: (step) => t("inside.stage.block.about", { token: shownToken(step) }),
    picture: ({ positions, attention, embedding, afterAttention, afterBlock }) => {
      const shaded = shades(attention);
      return html`<p class="tokens" role="img" aria-label=${looksAt(positions, attention)}>${positions.map(
        ({ text }, index) => html`<span class="token ${shaded[index]}">${visible(text)}</span>`,
      )}</p>
      <p class="hint">${looksAt(positions, attention)}</p>
      ${rows([
        [t("inside.stage.block.before"), embedding],
        [t("inside.stage.block.attention"), afterAttention],
        [t("inside.stage.block.mlp"), afterBlock],
      ])}`;
    },
  },
  {
    title: () => t("inside.stage.guesses"),
    about: () => t("inside.stage.guesses.about"),
    picture: ({ positions }) =>
      table(
        [t("inside.column.token"), t("inside.column.guess"), t("inside.column.target"), t("inside.column.chance")],
        positions.map(({ text, guess, target, before }) => [
          token(text),
          html`${token(guess.text)} <small>${chance(guess.probability)}</small>`,
          target == null ? "–" : token(target),
          before == null ? "–" : bar(before),
        ]),
        t("inside.stage.guesses"),
      ),
  },
  {
    title: () => t("inside.stage.loss"),
    about: (step) =>
      t("inside.stage.loss.about", { loss: fixed(step.losses[0], 3), odds: fixed(Math.exp(step.losses[0]), 1) }),
    picture: ({ positions, losses }) =>
      html`${figures([[t("inside.stage.loss"), fixed(losses[0], 3)]])}
      ${table(
        [t("inside.column.target"), t("inside.column.chance"), t("inside.column.loss")],
        positions
          .filter(({ before }) => before != null)
          .map(({ target, before }) => [
            token(target ?? ""),
            bar(before ?? 0),
            fixed(-Math.log(Math.max(before ?? 0, Number.MIN_VALUE)), 3),
          ]),
        t("inside.stage.loss"),
      )}`,
  },
  {
    title: () => t("inside.stage.gradient"),
    about: ({ gradientNorm, clip }) =>
      clip > 0 && gradientNorm > clip
        ? t("inside.stage.gradient.clipped", { norm: figure(gradientNorm), clip })
        : t("inside.stage.gradient.about", { norm: figure(gradientNorm) }),
    picture: ({ parts }) => {
      const largest = Math.max(...parts.map(({ gradientNorm }) => gradientNorm), Number.MIN_VALUE);
      return table(
        [t("inside.column.part"), t("inside.column.weights"), t("inside.column.gradient")],
        parts.map((part) => [nameOf(part), number(part.weights), amount(part.gradientNorm, largest)]),
        t("inside.stage.gradient"),
      );
    },
  },
  {
    title: () => t("inside.stage.update"),
    about: ({ learningRate }) => t("inside.stage.update.about", { rate: learningRate }),
    picture: ({ parts, largest }) => {
      const share = ({ updateNorm, weightNorm }: PartUpdate) => (weightNorm > 0 ? updateNorm / weightNorm : 0);
      const most = Math.max(...parts.map(share), Number.MIN_VALUE);
      return html`${table(
        [t("inside.column.part"), t("inside.column.length"), t("inside.column.change"), t("inside.column.relative")],
        parts.map((part) => [
          nameOf(part),
          figure(part.weightNorm),
          figure(part.updateNorm),
          part.weightNorm > 0 ? amount(share(part), most) : "–",
        ]),
        t("inside.stage.update"),
      )}
      <p>${t("inside.stage.update.one", { tensor: largest.tensor, before: figure(largest.before), gradient: figure(largest.gradient), after: figure(largest.after), change: figure(largest.after - largest.before) })}</p>`;
    },
  },
  {
    title: () => t("inside.stage.after"),
    about: ({ losses }) => t("inside.stage.after.about", { before: fixed(losses[0], 3), after: fixed(losses[1], 3) }),
    picture: ({ positions, losses }) =>
      html`${figures([
        [t("inside.stage.after.lossBefore"), fixed(losses[0], 3)],
        [t("inside.stage.after.lossAfter"), fixed(losses[1], 3)],
      ])}
      ${table(
        [
          t("inside.column.token"),
          t("inside.column.target"),
          t("inside.column.before"),
          t("inside.column.afterStep"),
          t("inside.column.guessAfter"),
        ],
        positions.map(({ text, target, before, after, guessAfter }) => [
          token(text),
          target == null ? "–" : token(target),
          before == null ? "–" : chance(before),
          after == null ? "–" : bar(after),
          token(guessAfter.text),
        ]),
        t("inside.stage.after"),
      )}`,
  },
];

function shownToken({ positions, shown }: SlowMotion): string {
  return visible(positions[shown]?.text ?? "");
}

function token(text: string): TemplateResult {
  return html`<span class="token">${visible(text)}</span>`;
}

/** The tokens that the last token attends to most, as text. */
function looksAt(positions: readonly SlowPosition[], attention: readonly number[]): string {
  const most = attention.reduce((best, share, index) => (share > (attention[best] ?? 0) ? index : best), 0);
  return t("inside.stage.block.most", {
    token: visible(positions[most]?.text ?? ""),
    place: most + 1,
    share: chance(attention[most] ?? 0),
  });
}

/** A number with a bar relative to the largest of its kind. */
function amount(value: number, largest: number): TemplateResult {
  return html`<span class="bar"><progress max="1" .value=${value / largest} aria-hidden="true"></progress> <span>${figure(value)}</span></span>`;
}

/** A table of the first numbers of rows of the residual stream. */
function rows(all: readonly (readonly [string, ShownRow])[]): TemplateResult {
  const columns = all[0]?.[1].numbers.length ?? 0;
  return table(
    [
      t("inside.column.stage"),
      ...Array.from({ length: columns }, (_, index) => number(index + 1)),
      "…",
      t("inside.column.length"),
    ],
    all.map(([name, { numbers, norm }]) => [name, ...numbers.map((value) => fixed(value, 3)), "…", figure(norm)]),
    t("inside.stage.embedding"),
  );
}

/** A table; the first cell of each row is its header. */
function table(heads: readonly string[], body: readonly (readonly unknown[])[], label: string): TemplateResult {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}>
    <table>
      <thead>
        <tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr>
      </thead>
      <tbody>
        ${body.map(([name, ...cells]) => html`<tr><th scope="row">${name}</th>${cells.map((cell) => html`<td>${cell ?? nothing}</td>`)}</tr>`)}
      </tbody>
    </table>
  </div>`;
}

function nameOf({ part }: PartUpdate): string {
  switch (part.name) {
    case "attention":
      return t("inside.part.attention", { layer: part.layer + 1 });
    case "mlp":
      return t("inside.part.mlp", { layer: part.layer + 1 });
    case "tokens":
      return t("inside.part.tokens");
    case "positions":
      return t("inside.part.positions");
    case "norm":
      return t("inside.part.norm");
    case "head":
      return t("inside.part.head");
  }
}
