// The engine of a one-page model, on the CPU. It runs in a worker that the page starts from this script, or on the page
// itself if the browser allows no worker for a page from the disk.
import { expose } from "comlink";
import init, { type ChatMessage, type GenerateOptions, type History, type ModelSummary, Session } from "lorito-wasm";
import type { Problem } from "../../shared/errors";
import type { OnePageEngine } from "../../shared/one-page/engine";
import { unpacked } from "../../shared/one-page/packing";
import { type Content, numberBytes } from "../../shared/one-page/scripts";
import type { ChatAnswer } from "../../shared/protocol";
import { Guarded } from "../turns";
import { link } from "../wasm-parts";
import { unknownIn, Writer, type Writing } from "../writer";

class Engine implements OnePageEngine {
  #running: { text: Blob; writer: Writer } | undefined;

  async ready(): Promise<void> {}

  async open(wasm: Blob, deferred: Blob, model: Blob): Promise<{ model: ModelSummary; history: History }> {
    const exports = await init({ module_or_path: contentOf("wasm", wasm, "application/wasm") }).catch(damaged);
    const rest = contentOf("deferred", deferred, "application/wasm");
    link("deferred", exports, await WebAssembly.compileStreaming(rest).catch(damaged));
    const session = await Session.start("cpu", {});
    const file = new Uint8Array(
      await contentOf("model", model)
        .arrayBuffer()
        .catch(() => {
          throw damage;
        }),
    );
    const summary = session.importModel(file);
    this.#running = { text: model, writer: new Writer(new Guarded(session, () => {})) };
    return { model: summary, history: session.history() };
  }

  generate(
    prompt: string,
    options: GenerateOptions,
    piece: (text: string) => void,
    unknown: (characters: string) => void,
  ): Promise<string> {
    const begin = (session: Session) => {
      const characters = unknownIn(session, [prompt]);
      if (characters) unknown(characters);
      return session.beginGeneration(prompt, options);
    };
    return this.#write({ begin, piece });
  }

  async chat(messages: ChatMessage[], options: GenerateOptions, piece: (text: string) => void): Promise<ChatAnswer> {
    let leftOut = { dropped: 0, systemDropped: false, questionCut: false };
    let unknownCharacters = "";
    const text = await this.#write({
      begin: async (session) => {
        const contents = messages.map(({ content }) => content);
        unknownCharacters = unknownIn(session, contents);
        await session.beginChat(messages, options);
      },
      piece,
      end: (session) => {
        leftOut = session.leftOut();
      },
    });
    return { text, ...leftOut, unknownCharacters };
  }

  #write(writing: Writing): Promise<string> {
    return this.#open.writer.forPerson(writing);
  }

  async stopWriting(): Promise<void> {
    this.#running?.writer.stop();
  }

  file(): Promise<Blob> {
    return contentOf("model", this.#open.text).blob();
  }

  get #open() {
    if (!this.#running) throw { code: "no-model" } satisfies Problem;
    return this.#running;
  }
}

function contentOf(content: Content, text: Blob, type = "application/octet-stream"): Response {
  return new Response(unpacked(text.stream(), numberBytes[content]), { headers: { "content-type": type } });
}

const damage: Problem = { code: "one-page-damaged" };

/** Converts errors of unpacking; that a browser is too old has an error of its own. */
function damaged(thrown: unknown): never {
  throw thrown instanceof WebAssembly.CompileError ? thrown : damage;
}

if (!("document" in globalThis)) expose(new Engine());
else globalThis.loritoEngine = new Engine();
