// Formats tokens, probabilities and rows of numbers for all views of this folder.
import { html, type TemplateResult } from "lit";
import { currentLanguage, fixed, t } from "../../i18n";

/** Makes the spaces and line ends of a token visible. */
export function visible(text: string): string {
  return text.replaceAll(" ", "·").replaceAll("\t", "→").replaceAll("\n", "↵");
}

/** Formats a probability: "34.2%", or "under 0.1%". */
export function chance(probability: number): string {
  if (probability > 0 && probability < 0.001) return t("inside.hardly");
  return new Intl.NumberFormat(currentLanguage(), { style: "percent", maximumFractionDigits: 1 }).format(probability);
}

export function bits(value: number): string {
  return t("inside.bits", { bits: fixed(value, 1) });
}

/** The level, from 0 to 4, of a surprise in bits; limits are probabilities of 1/2, 1/8, 1/64 and about 1/1000. */
export function level(surprise: number): number {
  return [1, 3, 6, 10].filter((limit) => surprise >= limit).length;
}

/** The CSS class of a share from 0 to 1, one of ten shades; the lowest, s0, has no colour. */
export function shade(share: number): string {
  return `s${Math.min(9, Math.floor(Math.sqrt(Math.max(0, share)) * 10))}`;
}

/** Shades relative to the largest share, because attention to many tokens gives each a small one. */
export function shades(shares: ArrayLike<number>): string[] {
  const all = Array.from(shares);
  const largest = Math.max(...all, Number.MIN_VALUE);
  return all.map((share) => shade(share / largest));
}

/** A probability as a bar with its number. */
export function bar(probability: number): TemplateResult {
  return html`<span class="bar"><progress max="1" .value=${probability} aria-hidden="true"></progress> <span>${chance(probability)}</span></span>`;
}

/** Formats a number of a model; magnitudes vary by many powers of ten. */
export function figure(value: number): string {
  const plain = value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5);
  const notation = plain ? "standard" : "scientific";
  return new Intl.NumberFormat(currentLanguage(), { notation, maximumSignificantDigits: 3 }).format(value);
}
