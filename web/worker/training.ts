// One call of `train`. The crate decides what the run does next (src/train/run); this ticks it, and pauses, stops, saves
// and lets a person write in between.
import type { RunEvent, SelfCheckResult, Session } from "lorito-wasm";
import type { RunRequest, TrainResult, WorkerEvent } from "../shared/protocol";
import type { RunSaver } from "./run-saver";
import { type Guarded, macrotask } from "./turns";
import type { Writer } from "./writer";

/** What the loop works with. */
export interface Tools {
  session: Guarded<Session>;
  writer: Writer;
  saver: RunSaver;
  emit: (event: WorkerEvent) => void;
  /** Once the shaders that steps need are there. */
  compiled: Promise<unknown>;
  /** Throws if the GPU, checked against the CPU, is wrong. */
  judge: (found: SelfCheckResult) => void;
}

/** What the person wants of a run, from the moment it is asked for. */
export class RunControl {
  #current: RunRequest;
  #changed: () => void = () => {};

  constructor(first: RunRequest) {
    this.#current = first;
  }

  get current(): RunRequest {
    return this.#current;
  }

  /** Nothing follows a stop. */
  set(request: RunRequest): void {
    if (this.#current === "stop") return;
    this.#current = request;
    this.#changed();
  }

  /** Resolves when there is another request, or something to do in a pause. */
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

/** Trains the run that has begun or was restored to its end step, or until a stop. Rejects with "diverged" when the loss is no number any more. */
export async function train(tools: Tools, control: RunControl): Promise<TrainResult> {
  const { session, writer, saver, emit, compiled, judge } = tools;

  /** Passes on what the run reports, and does what it asks for. The result comes last. */
  const handle = async (events: RunEvent[]): Promise<TrainResult | undefined> => {
    for (const event of events) {
      switch (event.event) {
        case "first-step":
          await compiled;
          break;
        case "save-due":
          await save();
          break;
        case "finished":
          return event.result;
        case "checked":
          emit(event);
          judge(event.found);
          break;
        default:
          saver.touch();
          emit(event);
      }
    }
    return undefined;
  };

  const flush = async () => void (await handle(await session.use((running) => running.flushRun())));

  const save = async () => {
    const began = performance.now();
    await saver.save();
    const seconds = (performance.now() - began) / 1000;
    await session.use((running) => running.runSaved(seconds));
  };

  const pause = async () => {
    await flush();
    emit({ event: "paused", paused: true });
    await save();
    while (control.current === "pause") {
      if (saver.due) await save();
      else await control.changed();
    }
    emit({ event: "paused", paused: false });
  };

  /** Between two ticks: the person first. */
  const turn = async () => {
    await macrotask();
    if (saver.due) {
      await flush();
      await save();
    }
    if (writer.wanted) {
      await flush();
      await writer.idle();
    }
    if (control.current === "pause") await pause();
    if (control.current === "stop") await session.use((running) => running.stopRun());
  };

  await session.use((running) => running.startRun());
  for (;;) {
    await turn();
    const result = await handle(await session.use((running) => running.tick()));
    if (result) return result;
  }
}
