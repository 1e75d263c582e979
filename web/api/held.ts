// What holds the model as it is now besides this page, so that nothing that was learned goes without a question.

export class Held {
  readonly #by = new Set<string>();
  #matters = false;

  /** The model has just been made, and can be made again. */
  fresh(): void {
    this.#matters = false;
    this.#by.clear();
  }

  /** The model is another one, or has learned: these hold it as it is now, and nothing else does. */
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

  /** Whether the model would be lost with the page. */
  get nowhere(): boolean {
    return this.#matters && this.#by.size === 0;
  }
}
