// What is noted of a run while it trains, for the record that is kept of it when it ends (records.ts).
import type { Session } from "lorito-wasm";
import type { WorkerEvent } from "../shared/protocol";
import type { RecordedText, RecordedTokenizer } from "../shared/record";

/** So many times are noted at most; then every other one goes. */
const MOST_TIMES = 1000;

export class RunNotes {
  /** What the run learns from, where it began here. */
  text: RecordedText | undefined;
  tokenizer: RecordedTokenizer | undefined;
  /** Seconds of training after some steps: `[step, seconds]`. */
  times: [step: number, seconds: number][] = [];

  /** The run begins with the text that there is. */
  begins(session: Session): void {
    const { sources, hash, documents, characters } = session.textSummary();
    // A run that was brought back may be trained on without its text.
    if (sources.length === 0) return;
    this.text = { name: sources.map(({ name }) => name).join(", "), hash, documents, characters };
    const tokenizer = session.tokenizerSummary();
    if (tokenizer) this.tokenizer = { kind: tokenizer.kind, vocabulary: tokenizer.vocabulary };
  }

  heard(event: WorkerEvent): void {
    if (event.event !== "progress") return;
    this.times.push([event.progress.step, event.progress.elapsedSeconds]);
    if (this.times.length > MOST_TIMES) this.times = this.times.filter((_, index) => index % 2 === 1);
  }
}
