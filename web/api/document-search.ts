// Keeps the worker that searches documents up to date with the texts, and puts what it finds into a question.
import { type Remote, wrap } from "comlink";
import type { ChatMessage } from "lorito-wasm";
import { LoritoError } from "../shared/errors";
import { documentKind, isArchive } from "../shared/kinds";
import { Mutex } from "../shared/mutex";
import { type Found, type FoundPassage, mostSearched, type PassagesApi } from "../shared/passages";
import type { AskedDocuments, WorkerApi, WorkerEvent } from "../shared/protocol";
import type { TransferOptions } from "./hub";
import { startOf } from "./start-of";
import type { SearchedDocument } from "./types";

/** What the search needs of the rest of the public API. */
export interface SearchHost {
  startWorker(): Worker;
  ask<T>(question: (api: WorkerApi) => Promise<T>): Promise<T>;
  withWord<T>(ask: (call: number) => Promise<T>, take: (event: WorkerEvent) => void, signal?: AbortSignal): Promise<T>;
}

/** A file that was given to be searched. */
interface Given {
  name: string;
  documents: string[];
}

/**
 * What stands between the passages and the question, in the question's language. With it 7 of 13 answers of
 * SmolLM2-135M-Instruct had the right fact; 6 with the question alone, and 6 with an instruction before the passages.
 */
const prompts = { en: "Answer from the text above:", es: "Responde con el texto de arriba:" };

export class DocumentSearch {
  readonly #host: SearchHost;
  readonly #turn = new Mutex();
  #worker: { api: Remote<PassagesApi>; failed: Promise<never> } | undefined;
  #end = () => {};
  #given: Given[] = [];
  #listed: SearchedDocument[] = [];
  /** What the worker holds: a hash of the texts, and the names of texts and files. */
  #held: string | undefined;

  constructor(host: SearchHost) {
    this.#host = host;
  }

  async list(): Promise<SearchedDocument[]> {
    await this.#update();
    return this.#listed;
  }

  async find(question: string, count: number): Promise<Found> {
    await this.#update();
    return this.#ask((worker) => worker.find(question, count));
  }

  async give(name: string, file: Blob, { signal, onProgress }: TransferOptions): Promise<SearchedDocument[]> {
    const read = (name: string, data: Blob) =>
      this.#host.withWord(
        (call) => this.#host.ask((api) => api.documentsIn(call, name, data)),
        (event) => event.event === "loaded" && onProgress?.(event.loaded, event.total),
        signal,
      );
    const given: Given[] = [];
    // Word's documents and e-books are archives, too.
    if (documentKind(name) || !isArchive(await startOf(file, name)))
      given.push({ name, documents: await read(name, file) });
    else {
      const unpack = (call: number) => this.#host.ask((api) => api.textsIn(call, name, file));
      const { texts } = await this.#host.withWord(unpack, () => {}, signal);
      for (const { name, data } of texts) given.push({ name, documents: await read(name, data) });
    }
    const names = given.map(({ name }) => name);
    this.#given = [...this.#given.filter(({ name }) => !names.includes(name)), ...given];
    this.#held = undefined;
    return this.list();
  }

  async takeBack(name: string): Promise<SearchedDocument[]> {
    this.#given = this.#given.filter((given) => given.name !== name);
    this.#held = undefined;
    return this.list();
  }

  /** The last message with the passages that fit it and the model's context. Earlier turns make room for them. */
  async asked(messages: ChatMessage[], maxTokens: number, count: number): Promise<AskedDocuments> {
    const last = messages.at(-1);
    const question = last?.content ?? "";
    const { passages: found, language } = await this.find(question, count);
    const asking = (passages: readonly FoundPassage[]) => withPassages(question, passages, language ?? "en");
    const fits = async (passages: readonly FoundPassage[]) => {
      if (!last) return true; // the crate has the error for that
      const asked = [...messages.slice(0, -1), { ...last, content: asking(passages) }];
      return (await this.#host.ask((api) => api.roomBeside(asked, maxTokens))) >= 0;
    };
    let passages: FoundPassage[] = [];
    for (const passage of found) if (await fits([...passages, passage])) passages = [...passages, passage];
    const [best] = found;
    // A passage that is not the best is worth less than a part of the best.
    if (best && passages[0] !== best) {
      passages = [];
      for (const text of await this.#ask((worker) => worker.excerpts(question, best.text))) {
        const excerpt = [{ ...best, text }];
        if (!(await fits(excerpt))) continue;
        passages = excerpt;
        break;
      }
    }
    return { passages, found: found.length, question: passages.length > 0 ? asking(passages) : question };
  }

  /** Has the worker read what was added or removed since it was last asked. */
  #update(): Promise<void> {
    return this.#turn.run(async () => {
      const { hash, sources } = await this.#host.ask((api) => api.plain("textSummary"));
      const names = [...sources, ...this.#given].map(({ name }) => name);
      const held = JSON.stringify([hash, ...names]);
      if (held === this.#held) return;
      this.#held = undefined;
      await this.#ask((worker) => worker.clear());
      const listed: SearchedDocument[] = [];
      let room = mostSearched;
      // What was given for this alone comes first, should there be too much.
      for (const { name, documents } of this.#given) {
        const passages = room > 0 ? await this.#ask((worker) => worker.add(name, documents)) : 0;
        const bytes = new Blob(documents).size;
        // A longer file was cut, by up to three bytes more than there was room for, as no letter is.
        listed.push({ name, passages, isText: false, isWhole: bytes < room - 3 });
        room -= bytes;
      }
      for (const [index, { name, bytes }] of sources.entries()) {
        const limit = Math.max(0, room);
        const documents = limit > 0 ? await this.#host.ask((api) => api.documentsOf(index, limit)) : [];
        const passages = await this.#ask((worker) => worker.add(name, documents));
        listed.push({ name, passages, isText: true, isWhole: bytes <= limit });
        room -= bytes;
      }
      this.#listed = listed;
      this.#held = held;
    });
  }

  close(): void {
    this.#end();
  }

  /** Asks the worker, which is started with the first question; rejects if it cannot be started, or fails. */
  async #ask<T>(question: (worker: Remote<PassagesApi>) => Promise<T>): Promise<T> {
    this.#worker ??= this.#started();
    const { api, failed } = this.#worker;
    return Promise.race([question(api), failed]);
  }

  #started(): { api: Remote<PassagesApi>; failed: Promise<never> } {
    const worker = this.#host.startWorker();
    const failed = new Promise<never>((_, reject) => {
      this.#end = () => {
        worker.terminate();
        reject(new LoritoError({ code: "closed" }));
      };
      worker.addEventListener("error", ({ message }) => {
        worker.terminate();
        this.#worker = undefined;
        this.#held = undefined;
        reject(new LoritoError(message ? { code: "internal", reason: message } : { code: "part-missing" }));
      });
    });
    failed.catch(() => {});
    return { api: wrap<PassagesApi>(worker), failed };
  }
}

function withPassages(question: string, passages: readonly FoundPassage[], language: keyof typeof prompts): string {
  // Without numbers and marks, which cost tokens, and which a small vocabulary may lack.
  return [...passages.map(({ text }) => text), `${prompts[language]} ${question}`].join("\n\n");
}
