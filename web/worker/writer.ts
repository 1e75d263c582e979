// Generates text with the model, one text at a time.
import type { Session } from "lorito-wasm";
import { Mutex } from "../shared/mutex";
import { type Guarded, macrotask } from "./turns";

/** A text to generate: how the session begins it, and its callbacks. */
export interface Writing {
  begin(session: Session): void | Promise<void>;
  piece?(text: string): void;
  /** Called with the session before the generation ends. */
  end?(session: Session): void;
}

/** The distinct characters of texts that the model has no token for, in code-point order. */
export function unknownIn(session: Session, texts: string[]): string {
  const unknown = new Set(texts.flatMap((text) => [...session.unknownToModel(text)]));
  return [...unknown].sort().join("");
}

export class Writer {
  readonly #session: Guarded<Session>;
  readonly #turn = new Mutex();
  readonly #people = new Set<Promise<unknown>>();
  /** Counts the calls of `stop`: each ends all texts requested before it. */
  #stops = 0;

  constructor(session: Guarded<Session>) {
    this.#session = session;
  }

  /** Generates text for the user: training waits. */
  async forPerson(writing: Writing): Promise<string> {
    const stops = this.#stops;
    const written = this.#turn.run(() => this.#write(writing, () => this.#stops !== stops));
    this.#people.add(written);
    try {
      return await written;
    } finally {
      this.#people.delete(written);
    }
  }

  async #write({ begin, piece, end }: Writing, stopped: () => boolean): Promise<string> {
    let text = "";
    const add = (part: string) => {
      text += part;
      if (part) piece?.(part);
    };
    if (stopped()) return text;
    await this.#session.use(begin);
    try {
      while (!stopped()) {
        const part = await this.#session.use((session) => session.nextToken());
        if (part === undefined) break;
        add(part);
        await macrotask(); // lets `stop` in
      }
    } finally {
      const rest = await this.#session.use((session) => {
        end?.(session);
        return session.endGeneration();
      });
      add(rest);
    }
    return text;
  }

  /** Ends every text that the user has requested. */
  stop(): void {
    this.#stops += 1;
  }

  /** Whether the user waits for text. */
  get wanted(): boolean {
    return this.#people.size > 0;
  }

  /** Resolves when the user waits for no text. */
  async idle(): Promise<void> {
    while (this.#people.size > 0) await Promise.allSettled(this.#people);
  }

  /** Does work that cannot overlap with generation: stops the texts in progress, and waits for their end. */
  async instead<T>(work: () => Promise<T>): Promise<T> {
    this.stop();
    return this.#turn.run(work);
  }
}
