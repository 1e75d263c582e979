// Holds a conversation with its undo history: edits, new answers and clearing can be undone.
import type { ChatAnswer, ChatMessage } from "../api/lorito";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: string;
  /** For an answer: the part of the conversation that the model did not see. */
  readonly leftOut?: Omit<ChatAnswer, "text">;
}

type Turns = readonly Turn[];

export class Conversation {
  /** Questions and answers alternate; the last one is an answer. */
  turns: Turns = [];
  #past: Turns[] = [];
  #future: Turns[] = [];

  get canUndo(): boolean {
    return this.#past.length > 0;
  }

  get canRedo(): boolean {
    return this.#future.length > 0;
  }

  become(turns: Turns): void {
    this.#past.push(this.turns);
    this.#future = [];
    this.turns = turns;
  }

  undo(): void {
    this.#step(this.#past, this.#future);
  }

  redo(): void {
    this.#step(this.#future, this.#past);
  }

  #step(from: Turns[], to: Turns[]): void {
    const turns = from.pop();
    if (!turns) return;
    to.push(this.turns);
    this.turns = turns;
  }

  /** The turns up to a question, which is replaced by this text or, at the end, added. */
  asking(content: string, place = this.turns.length): Turns {
    return [...this.turns.slice(0, place), { role: "user", content }];
  }

  /** The turns up to the last question; undefined before the first. */
  get lastAsked(): Turns | undefined {
    return this.turns.length > 0 ? this.turns.slice(0, -1) : undefined;
  }
}

/** The messages that the model gets. */
export function messagesOf(system: string, turns: Turns): ChatMessage[] {
  const said = turns.map(({ role, content }) => ({ role, content }));
  return system.trim() ? [{ role: "system", content: system.trim() }, ...said] : said;
}
