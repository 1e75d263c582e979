// Saves the session's run: in the browser's storage, or, if that fails, in the page's memory.
import type { Session } from "lorito-wasm";
import { type Problem, problemOf } from "../shared/errors";
import { Mutex } from "../shared/mutex";
import type { RunSummary, WorkerEvent } from "../shared/protocol";
import {
  packRun,
  type RunLabel,
  RunStorage,
  type StoredCheckpoint,
  type StoredRun,
  summariesOf,
  unpackRun,
} from "./runs";
import { refusal } from "./storage";
import type { Guarded } from "./turns";

/** The crate's error codes for a checkpoint that can never be used again. */
const damaged = new Set([
  "checkpoint-damaged",
  "safetensors-invalid",
  "file-truncated",
  "weights-not-finite",
  "token-out-of-range",
]);

/** A run's tokens, and the name of their file. */
interface Corpus {
  name: string;
  textName: string;
  /** Their length, once they have been written. */
  bytes?: number;
  blob?: Blob;
}

function newCorpus(textName: string): Corpus {
  return { name: `corpus-${crypto.randomUUID()}`, textName };
}

export class RunSaver {
  readonly #session: Guarded<Session>;
  readonly #emit: (event: WorkerEvent) => void;
  /** Serializes saving, restoring and discarding. */
  readonly #turn = new Mutex();
  /** A new id for each model. */
  #run = crypto.randomUUID() as string;
  /** Undefined until training begins. */
  #corpus: Corpus | undefined;
  /** Whether the next call of `train` may use other tokens; the current one keeps its own. */
  #textChanged = false;
  /** Whether the last checkpoint has the session's current state. */
  #upToDate = false;
  /** Whether that checkpoint is only in the page's memory. */
  #onlyKept = false;
  /** Whether the run has been saved to or restored from storage, where it should still exist. */
  #stored = false;
  /** Whether this tab may write; another one may be training. */
  #mayStore = false;
  #due = false;

  constructor(session: Guarded<Session>, emit: (event: WorkerEvent) => void) {
    this.#session = session;
    this.#emit = emit;
  }

  /** The id of the session's run, or of the next one. */
  get run(): string {
    return this.#run;
  }

  /** The names of the run's texts. */
  get textName(): string {
    return this.#corpus?.textName ?? "";
  }

  /** Whether the storage accepts the run. */
  get isStored(): boolean {
    return this.#stored && !this.#onlyKept;
  }

  /** Whether a checkpoint should be saved at once instead of at the next interval. */
  get due(): boolean {
    return this.#due;
  }

  /** The session has another model: later checkpoints belong to another run. */
  modelChanged(): void {
    this.#become(crypto.randomUUID(), undefined);
  }

  #become(run: string, corpus: Corpus | undefined, stored = false): void {
    this.#run = run;
    this.#corpus = corpus;
    this.#textChanged = false;
    this.#upToDate = stored;
    this.#stored = stored;
    this.#onlyKept = false;
    this.#due = false;
  }

  /** The session has another text or tokenizer. */
  textChanged(): void {
    this.#textChanged = true;
  }

  /** The session's state has changed. */
  touch(): void {
    this.#upToDate = false;
  }

  /** Allows this tab to write. */
  allowStoring(): void {
    this.#mayStore = true;
    this.retry();
  }

  /** Retries after a failed save: there may be space again. */
  retry(): void {
    if (!this.#onlyKept) return;
    this.#upToDate = false;
    this.#due = true;
  }

  /** Saves the initial state, so that a loss in the first minute can be recovered. */
  async begin(mayStore: boolean): Promise<void> {
    this.#mayStore ||= mayStore;
    this.#upToDate = false; // the settings have changed
    if (!this.#corpus || this.#textChanged) {
      const { sources } = await this.#session.use((session) => session.textSummary());
      this.#corpus = newCorpus(sources.map((source) => source.name).join(", "));
      this.#textChanged = false;
    }
    await this.save();
  }

  /** Continues a restored run. */
  async goOn(mayStore: boolean): Promise<void> {
    this.#mayStore ||= mayStore;
    this.retry();
    await this.save();
  }

  /**
   * Does not reject on failure: training matters more than its checkpoint. Only weights that are no longer numbers, or a lost
   * engine, end training.
   */
  save(): Promise<void> {
    return this.#turn.run(() => this.#save());
  }

  async #save(): Promise<void> {
    const corpus = this.#corpus;
    this.#due = false;
    if (!corpus || this.#upToDate) return;
    let made: { label: RunLabel; checkpoint: Uint8Array } | undefined;
    try {
      made = await this.#checkpoint(corpus);
      this.#upToDate = true;
      await this.#store(made.label, made.checkpoint, corpus);
    } catch (thrown) {
      if (endsTraining(thrown)) throw thrown;
      await this.#keep(made, corpus, refusal(thrown));
    }
  }

  async #checkpoint({ name, textName }: Corpus): Promise<{ label: RunLabel; checkpoint: Uint8Array }> {
    const { checkpoint, ...figures } = await this.#session.use(async (session) => {
      const { step, endStep } = session.status();
      const parameters = session.modelSummary()?.parameters ?? 0;
      return { step, endStep, parameters, checkpoint: await session.checkpoint() };
    });
    return { label: { ...figures, textName, savedAt: Date.now(), run: this.#run, corpus: name }, checkpoint };
  }

  /** Reports the run as saved only after it has been read back. */
  async #store(label: RunLabel, checkpoint: Uint8Array, corpus: Corpus): Promise<void> {
    if (!this.#mayStore) throw { code: "run-in-another-tab" } satisfies Problem;
    const storage = await RunStorage.open();
    const { corpusBytes, found } = await storage.save(label, checkpoint, corpus.bytes, () => this.#tokens());
    corpus.bytes = corpusBytes;
    delete corpus.blob;
    const cleared = this.#stored && !found;
    if (this.#corpus !== corpus) return; // the session has another model by now
    this.#stored = true;
    this.#onlyKept = false;
    this.#emit({ event: "saved", run: label.run, step: label.step, at: label.savedAt, cleared });
  }

  /** Passes the checkpoint to the page; without one, reports that none newer could be made. */
  async #keep(
    made: { label: RunLabel; checkpoint: Uint8Array } | undefined,
    corpus: Corpus,
    problem: Problem,
  ): Promise<void> {
    const run = this.#run;
    this.#onlyKept = true;
    try {
      if (!made) throw problem;
      corpus.blob ??= new Blob([(await this.#tokens()) as BlobPart]);
      const file = packRun(made.label, new Blob([made.checkpoint as BlobPart]), corpus.blob);
      this.#emit({ event: "kept", run, file, problem });
    } catch (thrown) {
      if (endsTraining(thrown)) throw thrown;
      this.#upToDate = false;
      this.#emit({ event: "not-kept", run, problem });
    }
  }

  #tokens(): Promise<Uint8Array> {
    return this.#session.use((session) => session.corpusTokens());
  }

  /** The stored runs, newest first. */
  summaries(): Promise<RunSummary[]> {
    return this.#turn.run(async () => summariesOf(await (await RunStorage.open()).list()));
  }

  /**
   * Restores a run to the session: from `file`, as the run `run` if the page knows its id, else as a new one; or from
   * storage, the newest or `run`. A run that cannot be opened replaces nothing.
   */
  restore(file?: Blob, run?: string): Promise<RunSummary> {
    return this.#turn.run(() => this.#restore(file, run));
  }

  async #restore(file?: Blob, run?: string): Promise<RunSummary> {
    if (file) {
      const { header, ...stored } = await unpackRun(file);
      const figures = await this.#open(stored);
      const { textName, savedAt } = header;
      this.#become(run ?? crypto.randomUUID(), newCorpus(textName));
      return { ...figures, run: this.#run, textName, savedAt, bytes: file.size };
    }
    const storage = await RunStorage.open();
    const checkpoints = await checkpointsOf(storage, run);
    const broken: StoredCheckpoint[] = [];
    let problem: Problem = { code: "no-run" };
    for (const stored of checkpoints) {
      try {
        const figures = await this.#open(stored);
        const { run, corpus: name, textName, savedAt } = stored.header;
        this.#become(run, { name, textName, bytes: stored.corpus.size }, true);
        const [{ bytes } = { bytes: 0 }] = summariesOf(checkpoints);
        for (const other of broken) await storage.drop(other).catch(() => {});
        return { ...figures, run, textName, savedAt, bytes };
      } catch (thrown) {
        problem = refusal(thrown, "reading");
        if (!damaged.has(problem.code)) throw problem;
        broken.push(stored);
      }
    }
    throw problem;
  }

  async #open({ checkpoint, corpus }: Omit<StoredRun, "header">): Promise<RunFigures> {
    const [weights, tokens] = await Promise.all([bytesOf(checkpoint), bytesOf(corpus)]);
    return this.#session.use((session) => {
      const { step, endStep } = session.restoreRun(weights, tokens);
      return { step, endStep, parameters: session.modelSummary()?.parameters ?? 0 };
    });
  }

  /** Deletes a run from storage, `run` or the newest. If the session holds it, it continues under a new id. */
  discard(run?: string): Promise<void> {
    return this.#turn.run(() => this.#discard(run));
  }

  async #discard(run?: string): Promise<void> {
    const storage = await RunStorage.open();
    const gone = run ?? (await storage.list())[0]?.header.run;
    if (gone === undefined) return;
    await storage.discard(gone);
    if (gone === this.#run && this.#corpus) this.#become(crypto.randomUUID(), newCorpus(this.#corpus.textName));
  }

  /** A stored run as one file: `run`, or the newest. */
  async file(run?: string): Promise<Blob> {
    const [newest] = await checkpointsOf(await RunStorage.open(), run);
    if (!newest) throw { code: "no-run" } satisfies Problem;
    // Copies: the slot will be overwritten, and the run may be deleted.
    const [checkpoint, corpus] = await Promise.all([bytesOf(newest.checkpoint), bytesOf(newest.corpus)]);
    return packRun(newest.header, new Blob([checkpoint]), new Blob([corpus]));
  }
}

type RunFigures = Pick<RunSummary, "step" | "endStep" | "parameters">;

/** The checkpoints of one run, newest first: of the newest run, or of `run`. */
async function checkpointsOf(storage: RunStorage, run?: string): Promise<StoredCheckpoint[]> {
  const all = await storage.list();
  const wanted = run ?? all[0]?.header.run;
  return all.filter(({ header }) => header.run === wanted);
}

function endsTraining(thrown: unknown): boolean {
  return thrown instanceof WebAssembly.RuntimeError || ["diverged", "device-lost"].includes(problemOf(thrown).code);
}

async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}
