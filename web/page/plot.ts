// Base class of the line charts: draws with uPlot on a canvas, and follows the element's size and the colour scheme.
import { LitElement } from "lit";
import uPlot from "uplot";

/** The look of the axes, and the page's colours by the names of their custom properties. */
export interface Look {
  axis: uPlot.Axis;
  colour(name: string): string;
}

type Content = Pick<uPlot.Options, "scales" | "axes" | "series">;

export abstract class Plot extends LitElement {
  /** Height over width. */
  protected abstract readonly ratio: number;
  protected plot: uPlot | undefined;
  readonly #sizes = new ResizeObserver(() => this.#resize());
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #recolour = () => this.build();

  protected abstract data(): uPlot.AlignedData;
  protected abstract content(look: Look): Content;
  /** The text for the values at index `at` of the data, under the pointer. */
  protected abstract reading(data: uPlot.AlignedData, at: number): string;

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
    this.plot?.destroy();
    this.plot = undefined;
  }

  override firstUpdated(): void {
    const room = this.#room;
    if (room) this.#sizes.observe(room);
  }

  /** Builds the chart anew, in the present colours and language. */
  protected build(): void {
    const room = this.#room;
    if (!room) return;
    this.plot?.destroy();
    const style = getComputedStyle(this);
    const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: colour("quiet"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
      font: `12px ${style.fontFamily}`,
    };
    const options: uPlot.Options = {
      ...this.#size(room),
      legend: { show: false },
      cursor: { points: { size: 8 }, drag: { x: false, y: false } },
      padding: [12, 24, 0, 0],
      hooks: { setCursor: [(plot) => this.#read(plot)] },
      ...this.content({ axis, colour }),
    };
    this.plot = new uPlot(options, this.data(), room);
  }

  get #room(): HTMLElement | null {
    return this.querySelector<HTMLElement>(".plot");
  }

  #size(room: HTMLElement): { width: number; height: number } {
    const width = Math.max(240, room.clientWidth);
    return { width, height: Math.round(Math.min(350, Math.max(220, width * this.ratio))) };
  }

  #resize(): void {
    const room = this.#room;
    if (room && this.plot && room.clientWidth !== this.plot.width) this.plot.setSize(this.#size(room));
  }

  /** Shows the values under the pointer in the legend's line. */
  #read(plot: uPlot): void {
    const output = this.querySelector("output");
    const at = plot.cursor.idx;
    if (output) output.textContent = at == null ? "" : this.reading(plot.data, at);
  }
}
