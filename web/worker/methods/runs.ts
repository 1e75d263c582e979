// Implements the calls about training runs: training, control, checkpoints, and the records for comparisons.
import type { SelfCheckResult } from "lorito-wasm";
import { type Problem, problemOf, readingFile } from "../../shared/errors";
import { part } from "../../shared/part";
import type { RunRequest, WorkerApi, WorkerEvent, Workers } from "../../shared/protocol";
import { current, emit, engine, exclusively, files, type Running, refuseWhileTraining } from "../engine";
import { lost } from "../lost";
import { namesOf } from "../opening";
import { shaders, tuned } from "../precompile";
import { ReplicaPool } from "../replica-pool";
import { RunNotes } from "../run-notes";
import { stored } from "../storage";
import { RunControl, train as trainRun } from "../training";

/** Throws if the GPU failed the self-check. */
function judge({ passed, lossDifference, gradientDifference, tolerance }: SelfCheckResult): void {
  if (passed) return;
  const problem: Problem = { code: "self-check-failed", lossDifference, gradientDifference, tolerance };
  lost(problem);
  throw problem;
}

/** Passes on a run's events. Once it has taken steps, the deferred part is fetched, which would have delayed them. */
function emitOfRun(event: WorkerEvent): void {
  emit(event);
  if (event.event === "progress") current.deferred?.loadAhead();
}

/** The most workers that are worth starting. */
const mostWorkers = 8;

/** How many workers may train together. Where there are more than two processors, one is left for other work. */
export function workersFor(asked: Workers): number {
  const processors = navigator.hardwareConcurrency || 1;
  const all = asked === "auto" ? (processors > 2 ? processors - 1 : processors) : asked;
  return Math.max(1, Math.min(all, mostWorkers));
}

/** Lets other workers share the steps of the next run on the processor; they start when the run does. */
async function gather({ engine, session }: Running, workers: Workers): Promise<ReplicaPool | undefined> {
  const { module } = current;
  const most = workersFor(workers);
  await session.use((idle) => idle.setWorkers(most));
  if (engine !== "cpu" || most < 2 || !module) return undefined;
  const script = new URL(files().replica);
  // They need the deferred part, which comes once the run has taken steps: the first must not wait for it.
  const pool = new ReplicaPool(script, async () => ({ module, deferred: await current.deferred?.loaded }));
  await session.use((idle) => idle.setReplicaPool(pool));
  return pool;
}

/** `begin` prepares the session's run, new or restored; then the loop trains it. */
async function train(begin: (tools: Running, notes: RunNotes) => Promise<void>, request: RunRequest, workers: Workers) {
  const tools = engine();
  refuseWhileTraining();
  const control = new RunControl(request);
  const notes = new RunNotes();
  current.control = control;
  let pool: ReplicaPool | undefined;
  try {
    await tuned();
    await begin(tools, notes);
    pool = await gather(tools, workers);
    await shaders.writing;
    const emit = (event: WorkerEvent) => {
      notes.add(event);
      emitOfRun(event);
    };
    const result = await trainRun({ ...tools, emit, compiled: shaders.training, judge }, control).catch(
      async (thrown) => {
        if (problemOf(thrown).code === "diverged") await record(tools, notes, true);
        throw thrown;
      },
    );
    await record(tools, notes);
    return result;
  } finally {
    pool?.end();
    current.control = undefined;
  }
}

/** Saves the record of a run that has ended, for comparisons. A failure does not prevent saving the run. */
async function record({ engine, session, saver }: Running, notes: RunNotes, diverged = false): Promise<void> {
  const { run, textName } = saver;
  const id = diverged ? `${run}-diverged` : run;
  try {
    const { keepRecord, recordOf } = await part(import("../records"));
    const kept = await keepRecord(id, (before) =>
      session.use((open) => recordOf(open, { id, textName, engine, notes, diverged }, before)),
    );
    if (kept) emit({ event: "recorded" });
  } catch (thrown) {
    // If the storage refuses the run as well, that error is reported instead.
    if (saver.isStored) emit({ event: "not-recorded", problem: problemOf(thrown) });
  }
}

/** Saves the run after an earlier failure: at once, unless training is about to. */
export async function saveAgain(): Promise<void> {
  const { saver } = engine();
  if (current.control) current.control.nudge();
  else if (saver.due) await saver.save();
}

export const runs = {
  mayStore: async () => {
    engine().saver.allowStoring();
    await saveAgain();
  },

  train: (config, save, request, workers) =>
    train(
      async ({ session, saver }, notes) => {
        if (config.lora) await current.deferred?.load();
        const taught = await session.use((idle) => idle.addTurnTokens());
        const model = await session.use((idle) => {
          idle.beginTraining(config);
          notes.begins(idle);
          return idle.modelSummary();
        });
        if ((config.lora || taught) && model) emit({ event: "adapted", model });
        await saver.begin(save);
      },
      request,
      workers,
    ),

  continueRun: (save, request, workers) => train(({ saver }) => saver.goOn(save), request, workers),

  returnToBest: async () => {
    await exclusively((session) => session.returnToBest());
    engine().saver.touch();
    await engine().saver.save();
  },

  control: async (request) => current.control?.set(request),

  savedRuns: () => stored(engine().saver.summaries()),

  restoreRun: async (file, run) => {
    refuseWhileTraining();
    const restore = () => engine().saver.restore(file, run);
    // Only a file that the user chose can be reported as "file-unreadable", not the browser's own storage.
    return engine().writer.instead(file ? () => readingFile(namesOf(file), restore) : restore);
  },

  discardRun: async (run) => {
    const { saver } = engine();
    // Another run may be deleted during training: there may be no space for both.
    if (run === undefined || run === saver.run) refuseWhileTraining();
    await stored(saver.discard(run));
    saver.retry();
    await saveAgain();
  },

  runFile: (run) => stored(engine().saver.file(run)),

  runRecords: async () => stored((await part(import("../records"))).runRecords()),

  renameRecord: async (id, name) => (await part(import("../records"))).renameRecord(id, name),

  deleteRecord: async (id) => (await part(import("../records"))).deleteRecord(id),
} satisfies Partial<WorkerApi>;
