// How to make again what the worker holds, for when its GPU is lost. The page remembers what it was asked for, not the
// results: a text is a Blob, which the browser keeps for it, and a fresh model is its settings and its seed.
import type { HeldBack, TokenizerKind } from "lorito-wasm";
import type { NamedFile, NewModel, Reading, RunSummary, WorkerApi } from "./protocol";

interface Text {
  name: string;
  data: Blob | Blob[];
  reading: Reading;
}

/** Where the model comes from. */
type Origin =
  | { made: NewModel }
  | { opened: Blob | NamedFile[] }
  /** A run that has been saved; in `file` if the storage refused it. */
  | { run: string | undefined; file?: Blob };

export class Recipe {
  readonly texts: Text[] = [];
  heldBack: HeldBack | undefined;
  tokenizer: { kind: TokenizerKind; vocabulary: number | undefined } | undefined;
  model: Origin | undefined;

  /** Makes all of it in a fresh worker; returns the run, if it is one. */
  async follow(api: WorkerApi): Promise<RunSummary | undefined> {
    const { model } = this;
    const run = model && "run" in model ? await api.restoreRun(model.file, model.run) : undefined;
    for (const { name, data, reading } of this.texts) await api.addText(0, name, data, reading);
    if (this.heldBack) await api.holdBack(this.heldBack);
    if (run) return run; // it brought its tokenizer
    if (this.tokenizer && this.texts.length > 0)
      await api.trainTokenizer(this.tokenizer.kind, this.tokenizer.vocabulary);
    if (model && "opened" in model) await api.importModel(0, model.opened);
    if (model && "made" in model) await api.createModel(model.made);
    return undefined;
  }
}
