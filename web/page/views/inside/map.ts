// Shows the token embeddings as a map: similar tokens lie near each other. The picture is a canvas; a search field
// finds a token by its text, and a table lists its nearest neighbours.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import type { MapPoint, NearToken, TokenMap } from "../../../api/lorito";
import { fixed, list, percent, t } from "../../i18n";
import { action } from "../fields";
import { View } from "../view";
import { visible } from "./token";

/** Most search results shown. */
const MOST_FOUND = 12;
/** Space between labels on the map, in pixels. */
const ROOM = { width: 8, height: 17 };

@customElement("lorito-token-map")
export class TokenMapView extends View {
  protected override readonly reads = ["model"] as const;
  @state() private map: TokenMap | undefined;
  @state() private reading = false;
  @state() private sought = "";
  @state() private chosen: MapPoint | undefined;
  @state() private near: NearToken[] = [];
  #model: unknown;
  readonly #sizes = new ResizeObserver(() => this.#draw());
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #recolour = () => this.#draw();

  override connectedCallback(): void {
    super.connectedCallback();
    this.#dark.addEventListener("change", this.#recolour);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#dark.removeEventListener("change", this.#recolour);
    this.#sizes.disconnect();
  }

  override render(): TemplateResult {
    const { map } = this;
    const able = this.state.model !== undefined && !this.reading;
    return html`<section class="token-map" aria-labelledby="token-map-title">
      <h3 id="token-map-title">${t("inside.map")}</h3>
      <p class="hint">${t("inside.map.about")}</p>
      <p class="controls">
        ${action({ label: map ? t("inside.map.again") : t("inside.map.draw"), able, act: () => void this.#read() })}
        <span class="hint" role="status">${this.reading ? t("inside.reading") : nothing}</span>
      </p>
      ${map ? this.#picture(map) : nothing}
    </section>`;
  }

  async #read(): Promise<void> {
    this.reading = true;
    const { store } = this;
    const map = await store.attempt("write", undefined, () => store.lorito.inside.tokenMap());
    this.reading = false;
    if (!map) return;
    this.map = map;
    const again = map.points.find(({ id }) => id === this.chosen?.id);
    this.chosen = undefined;
    this.near = [];
    if (again) void this.#choose(again);
  }

  #picture(map: TokenMap): TemplateResult {
    const shown = map.points.length;
    const words = t("inside.map.inWords", { count: shown, share: percent(map.shares[0] + map.shares[1]) });
    return html`<div class="columns">
      <div>
        <canvas role="img" aria-label=${words} @click=${this.#pick}></canvas>
        <p class="hint">${words} ${shown < map.vocabulary ? t("inside.map.first", { count: shown, all: map.vocabulary }) : nothing}</p>
      </div>
      <div>
        <div class="field wide">
          <label for="token-sought">${t("inside.map.seek")}</label>
          <input id="token-sought" type="text" autocomplete="off" .value=${this.sought} @input=${(event: Event) => {
            this.sought = (event.target as HTMLInputElement).value;
          }}>
        </div>
        ${this.#found(map)}
        ${this.chosen ? this.#nearest(this.chosen) : nothing}
        <p class="visually-hidden" role="status">${this.#announcement()}</p>
      </div>
    </div>`;
  }

  #found(map: TokenMap): TemplateResult | typeof nothing {
    const sought = this.sought.replaceAll("·", " ").replaceAll("↵", "\n");
    if (sought === "") return nothing;
    const lower = sought.toLocaleLowerCase();
    const matches = map.points.filter(({ text }) => text.toLocaleLowerCase().includes(lower));
    // Exact matches come first, then the shortest.
    matches.sort(
      (a, b) => Number(b.text === sought) - Number(a.text === sought) || a.text.length - b.text.length || a.id - b.id,
    );
    if (matches.length === 0) return html`<p class="hint">${t("inside.map.noneFound")}</p>`;
    return html`<p class="controls found">${matches.slice(0, MOST_FOUND).map((point) => this.#name(point.id, point.text))}</p>`;
  }

  #name(id: number, text: string): TemplateResult {
    return html`<button type="button" class="token" aria-pressed=${id === this.chosen?.id} @click=${() => void this.#choose({ id, text })}>${visible(text)}</button>`;
  }

  #nearest({ text }: MapPoint): TemplateResult {
    return html`<table>
      <caption>${t("inside.map.nearest", { token: visible(text) })}</caption>
      <thead>
        <tr><th scope="col">${t("inside.column.token")}</th><th scope="col">${t("inside.map.cosine")}</th></tr>
      </thead>
      <tbody>
        ${this.near.map((near) => html`<tr><th scope="row">${this.#name(near.id, near.text)}</th><td>${fixed(near.cosine, 2)}</td></tr>`)}
      </tbody>
    </table>`;
  }

  #announcement(): string {
    const { chosen, near } = this;
    if (!chosen || near.length === 0) return "";
    return `${t("inside.map.nearest", { token: visible(chosen.text) })}: ${list(near.map(({ text }) => visible(text)))}`;
  }

  async #choose({ id, text }: Pick<MapPoint, "id" | "text">): Promise<void> {
    const { store } = this;
    // A token beyond the map has a text and neighbours, but no coordinates.
    this.chosen = this.map?.points.find((point) => point.id === id) ?? { id, text, x: Number.NaN, y: Number.NaN };
    const near = await store.attempt("write", undefined, () => store.lorito.inside.nearest(id));
    if (near && this.chosen?.id === id) this.near = near;
  }

  override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    if (this.#model !== this.state.model) this.map = undefined;
    this.#model = this.state.model;
  }

  override updated(changed: PropertyValues): void {
    super.updated(changed);
    const canvas = this.querySelector("canvas");
    if (canvas && changed.has("map" as keyof this)) this.#sizes.observe(canvas);
    this.#draw();
  }

  /** The position of each token on the canvas, in CSS pixels. */
  #places({ points }: TokenMap, width: number, height: number): [number, number][] {
    const range = (values: number[]) => [Math.min(...values), Math.max(...values)] as const;
    const [left, right] = range(points.map(({ x }) => x));
    const [low, high] = range(points.map(({ y }) => y));
    const along = (value: number, from: number, to: number) => (to > from ? (value - from) / (to - from) : 0.5);
    return points.map(({ x, y }) => [
      20 + along(x, left, right) * (width - 60),
      14 + along(y, low, high) * (height - 28),
    ]);
  }

  #draw(): void {
    const { map } = this;
    const canvas = this.querySelector("canvas");
    const context = canvas?.getContext("2d");
    if (!map || !canvas || !context) return;
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio;
    canvas.width = width * scale;
    canvas.height = height * scale;
    context.scale(scale, scale);
    const style = getComputedStyle(this);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    context.font = `13px ${colour("mono")}`;
    context.textBaseline = "middle";
    const places = this.#places(map, width, height);
    const near = new Set(this.near.map(({ id }) => id));
    const rank = (id: number) => (id === this.chosen?.id ? 0 : near.has(id) ? 1 : 2);
    // The selected token and its neighbours are labelled first; others where there is space.
    const order = [...map.points.keys()].sort(
      (a, b) => rank(map.points[a]?.id ?? 0) - rank(map.points[b]?.id ?? 0) || a - b,
    );
    const taken = new Set<string>();
    for (const index of order) {
      const [point, place] = [map.points[index], places[index]];
      if (!point || !place) continue;
      const [x, y] = place;
      const kind = rank(point.id);
      context.fillStyle = colour(kind === 0 ? "validation" : kind === 1 ? "leaf" : "edge");
      context.beginPath();
      context.arc(x, y, kind === 2 ? 2 : 4, 0, 2 * Math.PI);
      context.fill();
      const name = visible(point.text).slice(0, 12);
      const cells = Array.from(
        { length: name.length + 1 },
        (_, cell) => `${Math.floor(x / ROOM.width) + cell}:${Math.floor(y / ROOM.height)}`,
      );
      if (cells.some((cell) => taken.has(cell))) continue;
      for (const cell of cells) taken.add(cell);
      context.fillStyle = colour(kind === 2 ? "quiet" : "ink");
      context.fillText(name, x + 6, y);
    }
  }

  /** Selects the token nearest to a click. */
  readonly #pick = (event: MouseEvent) => {
    const { map } = this;
    const canvas = event.currentTarget as HTMLCanvasElement;
    if (!map) return;
    const places = this.#places(map, canvas.clientWidth, canvas.clientHeight);
    const distance = (index: number) => {
      const [x, y] = places[index] ?? [0, 0];
      return Math.hypot(x - event.offsetX, y - event.offsetY);
    };
    const nearest = [...map.points.keys()].reduce(
      (best, index) => (distance(index) < distance(best) ? index : best),
      0,
    );
    const point = map.points[nearest];
    if (point && distance(nearest) < 30) void this.#choose(point);
  };
}
