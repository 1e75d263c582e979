// `lorito.documents`: searches the texts and further files for passages, and asks a model with them.
import type { ChatMessage } from "lorito-wasm";
import { part } from "../shared/part";
import type { FoundPassage } from "../shared/passages";
import type { AskedDocuments } from "../shared/protocol";
import type { DocumentSearch, SearchHost } from "./document-search";
import type { SearchedDocument, TransferOptions } from "./types";

/**
 * The documents that a model can answer from: all texts of `addText`, as they are at the time of a question, and files that
 * are added here, which the model does not learn from. See the option `documents` of `chat`.
 */
export class Documents {
  readonly #host: SearchHost;
  #search: Promise<DocumentSearch> | undefined;

  constructor(host: SearchHost) {
    this.#host = host;
  }

  /**
   * The passages that fit a question, best first, at most `count` (3 if it is omitted); none if nothing fits. Words are compared without
   * their endings in Spanish and English, and as they are in other languages.
   */
  async search(question: string, { count = 3 }: { count?: number } = {}): Promise<FoundPassage[]> {
    return (await (await this.#begun()).find(question, count)).passages;
  }

  /** Adds a file to be searched that is no training text, of any kind that `addText` takes, and returns all documents. */
  async add(
    name: string,
    data: string | Uint8Array | Blob,
    options: TransferOptions = {},
  ): Promise<SearchedDocument[]> {
    return (await this.#begun()).give(name, data instanceof Blob ? data : new Blob([data as BlobPart]), options);
  }

  /** Removes a file that was added here, by its name. */
  async remove(name: string): Promise<SearchedDocument[]> {
    return (await this.#begun()).takeBack(name);
  }

  /** All documents that are searched, with their numbers of passages. The first call reads them. */
  async list(): Promise<SearchedDocument[]> {
    return (await this.#begun()).list();
  }

  /** Ends the worker that searches, if there is one. */
  close(): void {
    void this.#search?.then(
      (search) => search.close(),
      () => {},
    );
    this.#search = undefined;
  }

  /** For `chat`: the question with the passages that fit into the model's context. */
  async asked(messages: ChatMessage[], maxTokens: number, count: number): Promise<AskedDocuments> {
    return (await this.#begun()).asked(messages, maxTokens, count);
  }

  #begun(): Promise<DocumentSearch> {
    this.#search ??= part(import("./document-search")).then(({ DocumentSearch }) => new DocumentSearch(this.#host));
    this.#search.catch(() => {
      this.#search = undefined; // the next call tries again
    });
    return this.#search;
  }
}
