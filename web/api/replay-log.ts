// Records how to recreate the worker's state after its GPU is lost. The page stores requests, not results: a text is a
// Blob, whose bytes the browser keeps, and a new model is its settings and its seed.
import type { HeldBack, TokenizerKind } from "lorito-wasm";
import type { NamedFile, NewModel, Reading, RunSummary, WorkerApi } from "../shared/protocol";

interface Text {
  name: string;
  data: Blob | Blob[];
  reading: Reading;
}

/** How the model was created. */
type Origin =
  | { made: NewModel }
  /** `stored`: its files are in the browser's storage, where they may be deleted. */
  | { opened: Blob | NamedFile[]; stored?: boolean }
  /** A saved run; in `file` if the browser's storage refused it. */
  | { run: string | undefined; file?: Blob };

export class ReplayLog {
  readonly texts: Text[] = [];
  heldBack: HeldBack | undefined;
  tokenizer: { kind: TokenizerKind; vocabulary: number | undefined } | undefined;
  model: Origin | undefined;

  /** Records that these files of the open model are in the browser's storage. */
  liesInStorage(files: Blob | NamedFile[]): void {
    if (this.model && "opened" in this.model && this.model.opened === files) this.model.stored = true;
  }

  /** Copies the open model's files out of the browser's storage, before some of them may be deleted. */
  async takeOut(): Promise<void> {
    const { model } = this;
    if (!model || !("opened" in model) || !model.stored) return;
    const { opened: files } = model;
    const opened = files instanceof Blob ? await copyOf(files) : await Promise.all(files.map(copied));
    if (this.model === model) this.model = { opened };
  }

  /** Recreates the state in a new worker; returns the run, if there is one. */
  async follow(api: WorkerApi): Promise<RunSummary | undefined> {
    const { model } = this;
    const run = model && "run" in model ? await api.restoreRun(model.file, model.run) : undefined;
    for (const { name, data, reading } of this.texts) await api.addText(0, name, data, reading);
    if (this.heldBack) await api.holdBack(this.heldBack);
    if (run) return run; // it includes its tokenizer
    if (this.tokenizer && this.texts.length > 0)
      await api.trainTokenizer(this.tokenizer.kind, this.tokenizer.vocabulary);
    if (model && "opened" in model) await api.importModel(0, model.opened);
    if (model && "made" in model) await api.createModel(model.made);
    return undefined;
  }
}

/** Bytes copied at once. */
const piece = 2 ** 24;

async function copied({ name, data }: NamedFile): Promise<NamedFile> {
  return { name, data: await copyOf(data) };
}

/** Copies a file's bytes: the browser keeps those of a Blob, but a File from its storage is only a reference. */
async function copyOf(file: Blob): Promise<Blob> {
  const parts: Blob[] = [];
  for (let at = 0; at < file.size; at += piece) parts.push(new Blob([await file.slice(at, at + piece).arrayBuffer()]));
  return new Blob(parts, { type: file.type });
}
