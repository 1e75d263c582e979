// Writing text with the model, one text at a time.
import type { Session } from "lorito-wasm";
import { Mutex } from "../shared/mutex";
import { type Guarded, macrotask } from "./turns";

/** A text to be written: how the session begins it, and who listens. */
export interface Writing {
  begin(session: Session): void | Promise<void>;
  piece?(text: string): void;
  /** The last look at the session before the text ends. */
  end?(session: Session): void;
}

/** The distinct characters of texts that the model has no token for, in the order of their code points. */
export function unknownIn(session: Session, texts: string[]): string {
  const unknown = new Set(texts.flatMap((text) => [...session.unknownToModel(text)]));
  return [...unknown].sort().join("");
}

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
