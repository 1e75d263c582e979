// The step loop: pausing, stopping, saving and writing happen between its steps.
import type { RunStatus, Session, StepRecord } from "lorito-wasm";
import type { Engine } from "../shared/engines";
import { type Problem, problemOf } from "../shared/errors";
import type { TrainResult, Wish, WorkerEvent } from "../shared/protocol";
import type { RunKeeper } from "./keeper";
import { Pace } from "./pace";
import { type Guarded, macrotask } from "./turns";
import type { Writer } from "./writer";

/** What the loop works with. */
export interface Tools {
  session: Guarded<Session>;
  engine: Engine;
  writer: Writer;
  keeper: RunKeeper;
  emit: (event: WorkerEvent) => void;
  /** Once the shaders that steps need are there. */
  compiled: Promise<unknown>;
  /** Checks the GPU against the CPU, if that is still to be done. Rejects where the GPU is wrong. */
  check: () => Promise<void>;
}

/** Milliseconds between two readings of the losses that the loop aims at. */
const readEvery = 150;
/** On the GPU nothing holds the queue of steps back but reading a loss: never more than this many without. */
const mostUnread = 32;
/** Milliseconds between two progress events. */
const tellEvery = 100;
/** Milliseconds between two checkpoints: at most 60 s, and a step or an evaluation batch may come in between. */
const saveEvery = 45_000;
/** Milliseconds until the first one; each later one waits twice as long. A GPU that is lost again and again gets on so. */
const firstSave = 1000;
/** Saving takes this share of the time at most, as long as `saveEvery` allows. */
const savingShare = 0.05;
/** The same start and the same dice at each evaluation, so that samples can be compared. */
const sample = { prompt: "", options: { maxTokens: 120, temperature: 0.8, seed: 1337 } };

/** What the person wants of a run, from the moment it is asked for. */
export class Wishes {
  #current: Wish;
  #changed: () => void = () => {};

  constructor(first: Wish) {
    this.#current = first;
  }

  get current(): Wish {
    return this.#current;
  }

  /** Nothing follows a stop. */
  set(wish: Wish): void {
    if (this.#current === "stop") return;
    this.#current = wish;
    this.#changed();
  }

  /** Resolves when there is another wish, or something to do in a pause. */
  changed(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
  }

  /** There is something to do in a pause. */
  nudge(): void {
    this.#changed();
  }
}

/** One call of `train`. */
export class Training {
  readonly #tools: Tools;
  readonly #wishes: Wishes;
  readonly #pace: Pace;
  /** As the call began. */
  readonly #status: RunStatus;
  /** Steps done, read or not. */
  #step: number;
  #unread = 0;
  /** Steps between two readings: the first loss is wanted soon, the others about every `readEvery`. */
  #readAfter = 1;
  /** When the steps not yet read began. */
  #unreadSince = 0;
  /** Read and not yet told. */
  #records: StepRecord[] = [];
  #lastRecord: StepRecord | undefined;
  #lastTold = 0;
  #lastSaved = performance.now();
  /** Milliseconds from the last checkpoint to the next. */
  #saveAfter = firstSave;
  #lastEvaluated: number | undefined;
  #validationLoss: number | null = null;

  /** `status`: a run that has begun or was restored. */
  constructor(tools: Tools, status: RunStatus, wishes: Wishes) {
    this.#tools = tools;
    this.#wishes = wishes;
    this.#pace = new Pace(status.seconds);
    this.#status = status;
    this.#step = status.step;
  }

  /** Trains to the end step, or until a stop. Rejects with "diverged" when the loss is no number any more. */
  async run(): Promise<TrainResult> {
    try {
      return await this.#run();
    } catch (thrown) {
      // A loss that is no number before the GPU was checked may be its fault, and not the settings'.
      if (problemOf(thrown).code === "diverged") await this.#tools.check();
      throw thrown;
    }
  }

  async #run(): Promise<TrainResult> {
    const history = await this.#tools.session.use((session) => session.history());
    const evaluated = history.evaluations.at(-1);
    this.#lastRecord = history.steps.at(-1);
    this.#lastEvaluated = evaluated?.step;
    this.#validationLoss = evaluated?.validationLoss ?? null;
    for (;;) {
      if (this.#evaluationIsDue()) await this.#evaluate();
      await this.#turn();
      if (this.#wishes.current === "stop" || this.#step >= this.#status.endStep) break;
      await this.#tools.compiled;
      await this.#takeStep();
    }
    await this.#read();
    await this.#save();
    this.#tell();
    return {
      step: this.#step,
      trainLoss: this.#lastRecord?.loss ?? null,
      validationLoss: this.#validationLoss,
      tokensPerSecond: this.#pace.meanTokensPerSecond,
    };
  }

  async #takeStep(): Promise<void> {
    if (this.#unread === 0) this.#unreadSince = performance.now();
    // What came before it, as its shaders' compiling, may have taken longer than the first checkpoint is to wait.
    if (this.#step === this.#status.step) this.#lastSaved = performance.now();
    await this.#pace.time("training", () => this.#tools.session.use((session) => session.step()));
    this.#tools.keeper.touch();
    this.#step += 1;
    this.#unread += 1;
    if (this.#unread < this.#readAfter) return;
    await this.#read();
    // Once the first loss is told, and before anything is saved that a wrong GPU has computed.
    await this.#tools.check();
  }

  /** Waits until every step is done, and takes their losses. */
  async #read(): Promise<void> {
    if (this.#unread === 0) return;
    const records = await this.#pace.time("training", () => this.#tools.session.use((session) => session.readLosses()));
    const time = performance.now() - this.#unreadSince;
    if (this.#tools.engine === "webgpu") {
      const fitting = Math.round((readEvery * this.#unread) / time);
      this.#readAfter = Math.min(Math.max(fitting, 2), mostUnread);
    }
    this.#pace.trained(this.#unread * this.#status.tokensPerStep, time);
    this.#unread = 0;
    this.#records.push(...records);
    this.#lastRecord = records.at(-1) ?? this.#lastRecord;
    if (performance.now() - this.#lastTold >= tellEvery) this.#tell();
  }

  #tell(): void {
    const last = this.#records.at(-1);
    if (!last) return;
    this.#tools.emit({
      event: "progress",
      progress: {
        step: this.#step,
        endStep: this.#status.endStep,
        loss: last.loss,
        learningRate: last.learningRate,
        gradientNorm: last.gradientNorm,
        tokensPerSecond: this.#pace.tokensPerSecond,
        millisecondsPerStep: this.#pace.millisecondsFor(this.#status.tokensPerStep),
        elapsedSeconds: this.#pace.elapsedSeconds,
        secondsLeft: this.#pace.secondsFor((this.#status.endStep - this.#step) * this.#status.tokensPerStep),
        evaluationShare: this.#pace.evaluationShare,
        records: this.#records,
      },
    });
    this.#records = [];
    this.#lastTold = performance.now();
  }

  /** Between two pieces of work: the person first. */
  async #turn(): Promise<void> {
    await macrotask();
    // Before the first step there is little to lose: the run has just been saved.
    const saveAfter = this.#step === this.#status.step ? saveEvery : this.#saveAfter;
    if (this.#tools.keeper.due || performance.now() - this.#lastSaved >= saveAfter) await this.#save();
    if (this.#tools.writer.wanted) {
      await this.#read();
      await this.#tools.writer.idle();
    }
    if (this.#wishes.current !== "pause") return;
    await this.#read();
    this.#tell();
    this.#tools.emit({ event: "paused", paused: true });
    await this.#save();
    while (this.#wishes.current === "pause") {
      if (this.#tools.keeper.due) await this.#save();
      else await this.#wishes.changed();
    }
    this.#tools.emit({ event: "paused", paused: false });
  }

  async #save(): Promise<void> {
    await this.#read();
    const { session, keeper } = this.#tools;
    await session.use((running) => running.addTrainingSeconds(this.#pace.book()));
    const began = performance.now();
    await this.#pace.time("saving", () => keeper.save());
    this.#lastSaved = performance.now();
    const took = this.#lastSaved - began;
    this.#saveAfter = Math.min(Math.max(2 * this.#saveAfter, took / savingShare), saveEvery);
  }

  #evaluationIsDue(): boolean {
    const step = this.#step;
    const { startStep, endStep, evalEvery } = this.#status;
    return (step === startStep || step === endStep || step % evalEvery === 0) && step !== this.#lastEvaluated;
  }

  /** Validation loss and a sample. A stop leaves it undone. */
  async #evaluate(): Promise<void> {
    const { session, writer, keeper, emit } = this.#tools;
    await this.#read();
    for (let batch = 0; batch < this.#status.evaluationBatches; batch++) {
      await this.#turn();
      if (this.#wishes.current === "stop") return;
      await this.#pace.time("evaluation", () => session.use((running) => running.evaluateBatch(batch)));
    }
    const evaluation = await this.#pace.time("evaluation", () => session.use((running) => running.finishEvaluation()));
    const { best, worseEvaluations } = await session.use((running) => running.status());
    // The weights have come to nothing after the last loss that was read: no checkpoint may take them.
    if (evaluation.validationLoss !== null && !Number.isFinite(evaluation.validationLoss))
      throw {
        code: "diverged",
        step: this.#step,
        learningRate: this.#lastRecord?.learningRate ?? 0,
      } satisfies Problem;
    this.#lastEvaluated = this.#step;
    this.#validationLoss = evaluation.validationLoss;
    keeper.touch();
    this.#tell();
    emit({ event: "evaluation", evaluation, best: best ? { ...best, worseEvaluations } : undefined });

    const begin = (running: Session) => running.beginGeneration(sample.prompt, sample.options);
    const text = await this.#pace.time("sample", () => writer.sample({ begin }, () => this.#wishes.current === "stop"));
    if (this.#wishes.current === "stop") return;
    await session.use((running) => running.addSample(text));
    keeper.touch();
    emit({ event: "sample", step: this.#step, text });
  }
}
