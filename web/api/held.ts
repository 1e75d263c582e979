// Tracks where the model's current state is saved, so that the page warns before unsaved training is lost.

export class Held {
  readonly #by = new Set<string>();
  #matters = false;

  /** The model is new and can be recreated from its seed. */
  fresh(): void {
    this.#matters = false;
    this.#by.clear();
  }

  /** The model has been replaced or trained: only these holders have its current state. */
  only(...holders: string[]): void {
    this.#matters = true;
    this.#by.clear();
    for (const holder of holders) this.#by.add(holder);
  }

  also(holder: string): void {
    this.#by.add(holder);
  }

  gone(holder: string): void {
    this.#by.delete(holder);
  }

  renamed(from: string, to: string): void {
    if (this.#by.delete(from)) this.#by.add(to);
  }

  /** Whether the model would be lost when the page is closed. */
  get nowhere(): boolean {
    return this.#matters && this.#by.size === 0;
  }
}
