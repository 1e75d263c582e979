// Writing text with the model, one text at a time. Runs in the worker.
import type { GenerateOptions, Session } from "lorito-wasm";
import { type Guarded, Mutex, macrotask } from "./mutex";

export class Writer {
  readonly #session: Guarded<Session>;
  readonly #turn = new Mutex();
  readonly #people = new Set<Promise<unknown>>();
  /** Counts the calls of `stop`: what was asked for before one ends with it. */
  #stops = 0;

  constructor(session: Guarded<Session>) {
    this.#session = session;
  }

  /** Writes for a person: training waits. */
  async forPerson(prompt: string, options: GenerateOptions, piece: (text: string) => void): Promise<string> {
    const stops = this.#stops;
    const writing = this.#turn.run(() => this.#write(prompt, options, () => this.#stops !== stops, piece));
    this.#people.add(writing);
    try {
      return await writing;
    } finally {
      this.#people.delete(writing);
    }
  }

  /** Writes what training shows of the model. */
  sample(prompt: string, options: GenerateOptions, stopped: () => boolean): Promise<string> {
    return this.#turn.run(() => this.#write(prompt, options, stopped));
  }

  async #write(
    prompt: string,
    options: GenerateOptions,
    stopped: () => boolean,
    piece: (text: string) => void = () => {},
  ): Promise<string> {
    let text = "";
    const add = (part: string) => {
      text += part;
      if (part) piece(part);
    };
    if (stopped()) return text;
    await this.#session.use((session) => session.beginGeneration(prompt, options));
    try {
      while (!stopped()) {
        const part = await this.#session.use((session) => session.nextToken());
        if (part === undefined) break;
        add(part);
        await macrotask(); // lets `stop` in
      }
    } finally {
      add(await this.#session.use((session) => session.endGeneration()));
    }
    return text;
  }

  /** Ends every text that a person has asked for. */
  stop(): void {
    this.#stops += 1;
  }

  /** Whether a person waits for text. */
  get wanted(): boolean {
    return this.#people.size > 0;
  }

  /** Resolves when no person waits for text. */
  async idle(): Promise<void> {
    while (this.#people.size > 0) await Promise.allSettled(this.#people);
  }

  /** Does something that no text may be written through: ends the texts under way, and waits for that. */
  async instead<T>(work: () => Promise<T>): Promise<T> {
    this.stop();
    return this.#turn.run(work);
  }
}
