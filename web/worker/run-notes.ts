// Collects data for a run's record (records.ts) while it trains.
import type { Session } from "lorito-wasm";
import type { WorkerEvent } from "../shared/protocol";
import type { RecordedText, RecordedTokenizer } from "../shared/record";

/** Most times that are kept; beyond them every other one is dropped. */
const MOST_TIMES = 1000;

export class RunNotes {
  /** The training text, if the run began in this page. */
  text: RecordedText | undefined;
  tokenizer: RecordedTokenizer | undefined;
  /** Seconds of training after some steps: `[step, seconds]`. */
  times: [step: number, seconds: number][] = [];

  /** Called when a run begins with the session's text. */
  begins(session: Session): void {
    const { sources, hash, documents, characters } = session.textSummary();
    // A restored run may continue without its text.
    if (sources.length === 0) return;
    this.text = { name: sources.map(({ name }) => name).join(", "), hash, documents, characters };
    const tokenizer = session.tokenizerSummary();
    if (tokenizer) this.tokenizer = { kind: tokenizer.kind, vocabulary: tokenizer.vocabulary };
  }

  add(event: WorkerEvent): void {
    if (event.event !== "progress") return;
    this.times.push([event.progress.step, event.progress.elapsedSeconds]);
    if (this.times.length > MOST_TIMES) this.times = this.times.filter((_, index) => index % 2 === 1);
  }
}
