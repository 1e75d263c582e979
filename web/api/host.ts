// What an instance gets from whoever creates it: the page, or a program that uses the npm package.
import type { EngineFiles } from "../shared/engine-files";
import type { Engine } from "../shared/engines";
import type { OnePageWords } from "../shared/one-page/words";
import type { ExportWords, Workers } from "../shared/protocol";
import type { WorkerStart } from "../shared/worker-start";

/** The translations for exported files. */
export interface WordsOfPage {
  /** The texts of a one-page model: the page's are in its own language, others in the one that is asked for. */
  ofOnePage: (language: string) => OnePageWords | Promise<OnePageWords>;
  /** The texts of model card, scripts and notebook in a language; empty for English and unknown languages. */
  ofExports: (language: string) => Promise<ExportWords>;
}

/** Where an instance runs. */
export interface Host {
  /** The engine's files. */
  files: EngineFiles;
  /** Starts one of their scripts as a worker. */
  startWorker: (script: URL) => Worker;
  /** How these workers start others. */
  workerStart: WorkerStart;
  words: WordsOfPage;
}

/** How an instance is created. */
export interface LoritoOptions {
  /** The engine: the best one of this machine if it is omitted. */
  engine?: Engine | undefined;
  /** How many workers may share each step of a run on the processor; "auto" by default. */
  workers?: Workers | undefined;
  /**
   * The name of the storage for runs and models, which instances of the same name and origin share; false: nothing is stored,
   * and calls that need the storage reject with "storage-unavailable".
   */
  storage?: string | false | undefined;
}

/** All that an instance is made of. */
export interface Setup extends Host {
  engine: Engine | undefined;
  workers: Workers;
  storage: string | false;
}
