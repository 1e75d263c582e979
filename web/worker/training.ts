// The loop of one `train` call. The crate decides what the run does next (src/train/run); the loop advances it, and pauses,
// stops, saves, and lets the user generate text in between.
import type { RunEvent, SelfCheckResult, Session } from "lorito-wasm";
import type { RunRequest, TrainResult, WorkerEvent } from "../shared/protocol";
import type { RunSaver } from "./run-saver";
import { type Guarded, macrotask } from "./turns";
import type { Writer } from "./writer";

/** The loop's dependencies. */
export interface Tools {
  session: Guarded<Session>;
  writer: Writer;
  saver: RunSaver;
  emit: (event: WorkerEvent) => void;
  /** Resolves once the shaders for training steps are compiled. */
  compiled: Promise<unknown>;
  /** Throws if the self-check failed. */
  judge: (found: SelfCheckResult) => void;
}

/** The state that the user requests for a run, from the `train` call on. */
export class RunControl {
  #current: RunRequest;
  #changed: () => void = () => {};

  constructor(first: RunRequest) {
    this.#current = first;
  }

  get current(): RunRequest {
    return this.#current;
  }

  /** A stop is final. */
  set(request: RunRequest): void {
    if (this.#current === "stop") return;
    this.#current = request;
    this.#changed();
  }

  /** Resolves on another request, or when there is work to do during a pause. */
  changed(): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
  }

  /** Announces work to do during a pause. */
  nudge(): void {
    this.#changed();
  }
}

/** Trains the session's run to its last step, or until a stop. Rejects with "diverged" when the loss is no longer a number. */
export async function train(tools: Tools, control: RunControl): Promise<TrainResult> {
  const { session, writer, saver, emit, compiled, judge } = tools;

  /** Passes on the run's events, and handles its requests. The result comes last. */
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

  /** Between two ticks, handles the user's requests first. */
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
