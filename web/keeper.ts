// Keeps the run that the session holds: in the browser's storage, or, where that refuses, in the page's hands.
// Runs in the worker.
import type { Session } from "lorito-wasm";
import { type Problem, problemOf } from "./errors";
import type { Guarded } from "./mutex";
import type { RunSummary, WorkerEvent } from "./protocol";
import { packRun, type RunLabel, RunStorage, type StoredRun, unpackRun } from "./runs";

/** What the crate says of a checkpoint that will never be of use again. */
const damaged = new Set(["checkpoint-damaged", "safetensors-invalid", "file-truncated"]);

export class RunKeeper {
  readonly #session: Guarded<Session>;
  readonly #emit: (event: WorkerEvent) => void;
  /** Changes with the model. */
  #run = crypto.randomUUID() as string;
  /** The run's tokens. */
  #corpus: { name: string; stored: boolean; textName: string; blob?: Blob } | undefined;
  /** Whether the next call of `train` may take other tokens; the one under way keeps its own. */
  #textChanged = false;
  /** Whether the last checkpoint is all that the session holds. */
  #upToDate = false;
  /** Whether this tab may write; another one may be training. */
  #mayStore = false;

  constructor(session: Guarded<Session>, emit: (event: WorkerEvent) => void) {
    this.#session = session;
    this.#emit = emit;
  }

  /** The session has another model: what is saved from now on is another run. */
  modelChanged(): void {
    this.#run = crypto.randomUUID();
    this.#textChanged = true;
  }

  /** The session has another text or tokenizer. */
  textChanged(): void {
    this.#textChanged = true;
  }

  /** The session has gone on. */
  touch(): void {
    this.#upToDate = false;
  }

  /** Saves what training starts from, so that a loss in its first minute finds something to go on with. */
  async begin(mayStore: boolean): Promise<void> {
    this.#mayStore = mayStore;
    this.#upToDate = false; // the settings are new
    if (!this.#corpus || this.#textChanged) {
      const { sources } = await this.#session.use((session) => session.textSummary());
      const textName = sources.map((source) => source.name).join(", ");
      this.#corpus = { name: `corpus-${crypto.randomUUID()}`, stored: false, textName };
      this.#textChanged = false;
    }
    await this.save();
  }

  /** Goes on with a restored run. */
  async goOn(mayStore: boolean): Promise<void> {
    this.#mayStore = mayStore;
    await this.save();
  }

  /** A failure does not reject: training is worth more than its checkpoint. */
  async save(): Promise<void> {
    const corpus = this.#corpus;
    if (!corpus || this.#upToDate) return;
    const { checkpoint, ...figures } = await this.#session.use(async (session) => {
      const { step, endStep } = session.status();
      const parameters = session.modelSummary()?.parameters ?? 0;
      return { step, endStep, parameters, checkpoint: await session.checkpoint() };
    });
    this.#upToDate = true;
    const { name, textName } = corpus;
    const label: RunLabel = { ...figures, textName, savedAt: Date.now(), run: this.#run, corpus: name };
    try {
      if (!this.#mayStore) throw { code: "run-in-another-tab" } satisfies Problem;
      const tokens = corpus.stored ? undefined : await this.#session.use((session) => session.corpusTokens());
      await (await RunStorage.open()).save(label, checkpoint, tokens);
      corpus.stored = true;
      this.#emit({ event: "saved", run: this.#run, step: label.step, at: label.savedAt });
    } catch (thrown) {
      corpus.blob ??= new Blob([(await this.#session.use((session) => session.corpusTokens())) as BlobPart]);
      const file = packRun(label, new Blob([checkpoint as BlobPart]), corpus.blob);
      this.#emit({ event: "kept", run: this.#run, file, problem: problemOf(thrown) });
    }
  }

  /** The stored run; null if there is none. */
  async summary(): Promise<RunSummary | null> {
    const newest = (await (await RunStorage.open()).list())[0];
    return newest ? summaryOf(newest) : null;
  }

  /** Brings a run into the session: from `file`, or the newest sound one that is stored (of `run`, if given). */
  async restore(file?: Blob, run?: string): Promise<RunSummary> {
    if (file) {
      const stored = await unpackRun(file);
      await this.#open(stored);
      this.#opened(stored, false);
      return summaryOf(stored);
    }
    const storage = await RunStorage.open();
    let problem: Problem = { code: "no-run" };
    for (const stored of await storage.list()) {
      if (run !== undefined && stored.header.run !== run) continue;
      try {
        await this.#open(stored);
        this.#opened(stored, true);
        return summaryOf(stored);
      } catch (thrown) {
        problem = problemOf(thrown);
        if (damaged.has(problem.code)) await storage.drop(stored);
      }
    }
    throw problem;
  }

  async #open({ checkpoint, corpus }: StoredRun): Promise<void> {
    const [weights, tokens] = await Promise.all([bytesOf(checkpoint), bytesOf(corpus)]);
    await this.#session.use(async (session) => {
      await session.restore(weights);
      session.restoreCorpus(tokens);
    });
  }

  #opened({ header, corpus }: StoredRun, stored: boolean): void {
    this.#run = header.run;
    this.#corpus = { name: header.corpus, textName: header.textName, stored, ...(stored ? {} : { blob: corpus }) };
    this.#upToDate = stored; // one from a file is not in the storage yet
    this.#textChanged = false;
  }

  async discard(): Promise<void> {
    await (await RunStorage.open()).clear();
    this.#corpus = undefined;
  }

  /** The stored run as one file. */
  async file(): Promise<Blob> {
    const newest = (await (await RunStorage.open()).list())[0];
    if (!newest) throw { code: "no-run" } satisfies Problem;
    // A copy: the slot will be written over.
    return packRun(newest.header, new Blob([await newest.checkpoint.arrayBuffer()]), newest.corpus);
  }
}

async function bytesOf(blob: Blob): Promise<Uint8Array> {
  return new Uint8Array(await blob.arrayBuffer());
}

function summaryOf({ header }: StoredRun): RunSummary {
  const { step, endStep, parameters, savedAt, textName } = header;
  return { step, endStep, parameters, savedAt, textName };
}
