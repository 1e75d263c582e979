// Stores records of runs, to compare them: settings, losses and samples in a small file, without weights. A run that
// ends writes its record, which replaces the record of the same model's previous run. A run that diverges has a record of
// its own, because the model goes back to its last checkpoint.
import type { Evaluation, Session } from "lorito-wasm";
import type { Engine } from "../shared/engines";
import { lockName } from "../shared/home";
import type { Clock, RunRecord } from "../shared/record";
import { alone, storageName } from "./home";
import type { RunNotes } from "./run-notes";
import { folder, readFile, refusal, unlessGone, writeFile } from "./storage";

/** Most points of a curve: more would lie closer than a screen can show. */
const MOST_POINTS = 1500;
/** Most evaluations, which are shown in a table. */
const MOST_EVALUATIONS = 40;
const MOST_SAMPLES = 24;
/** Most characters of a stored sample. */
const SAMPLE_LENGTH = 2000;
const NAME_LENGTH = 60;

const ending = ".json";

/** Takes a lock, because two tabs may change the same record. */
const changing = <T>(work: (where: FileSystemDirectoryHandle) => Promise<T>): Promise<T> =>
  alone(lockName(storageName(), "lorito-records"), async () => work(await folder("records"))).catch((thrown) => {
    throw refusal(thrown, "record");
  });

/** Picks at most `most` items, evenly spread, including the last. */
function thinned<T>(items: readonly T[], most: number): T[] {
  const stride = Math.ceil(items.length / most);
  return items.filter((_, index) => (items.length - 1 - index) % stride === 0);
}

/** Rounds to the precision that is displayed. */
function rounded(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

/** Shortens a long curve to means of a few steps each, at the last of them. */
function meanCurve(steps: readonly { step: number; loss: number }[]): RunRecord["curve"] {
  const stride = Math.ceil(steps.length / MOST_POINTS);
  const points: RunRecord["curve"] = [];
  // The last losses of a diverged run are no numbers.
  const finite = steps.filter(({ loss }) => Number.isFinite(loss));
  for (let at = 0; at < finite.length; at += stride) {
    const group = finite.slice(at, at + stride);
    const mean = group.reduce((sum, { loss }) => sum + loss, 0) / group.length;
    points.push({ step: group.at(-1)?.step ?? 0, loss: rounded(mean) });
  }
  return points;
}

/** Joins the times of the model's previous runs with those of this one. */
function clockOf(before: Clock, { times }: RunNotes, end: { step: number; tokens: number; perStep: number }): Clock {
  const first = times[0]?.[0] ?? Number.POSITIVE_INFINITY;
  const since = times.map(([step, seconds]): Clock[number] => {
    return [step, rounded(seconds), Math.max(0, end.tokens - (end.step - step) * end.perStep)];
  });
  return thinned([...before.filter(([step]) => step < first), ...since], MOST_POINTS);
}

/** Makes the record of the run that has just ended; `before`: the model's previous record. */
export function recordOf(
  session: Session,
  run: { id: string; textName: string; engine: Engine; notes: RunNotes; diverged: boolean },
  before: RunRecord | undefined,
): RunRecord | undefined {
  const { step, seconds, tokensPerStep } = session.status();
  const model = session.modelSummary();
  if (step === 0 || !model) return undefined;
  const { steps, evaluations, samples, tokens } = session.history();
  return {
    format: "lorito-record",
    version: 1,
    id: run.id,
    name: before?.name ?? "",
    savedAt: Date.now(),
    engine: run.engine,
    text: run.notes.text ?? before?.text ?? { name: run.textName },
    tokenizer: run.notes.tokenizer ?? before?.tokenizer ?? { vocabulary: model.vocabulary },
    model: model.config,
    parameters: model.parameters,
    train: session.runSettings(),
    step,
    ...(run.diverged ? { diverged: true } : {}),
    seconds,
    tokens,
    curve: meanCurve(steps),
    clock: clockOf(before?.clock ?? [], run.notes, { step, tokens, perStep: tokensPerStep }),
    evaluations: thinned<Evaluation>(evaluations, MOST_EVALUATIONS),
    samples: thinned(samples, MOST_SAMPLES).map(({ step, text }) => ({ step, text: text.slice(0, SAMPLE_LENGTH) })),
  };
}

/** Replaces a record by the result of `read`, which gets the previous record. */
export function keepRecord(
  id: string,
  read: (before: RunRecord | undefined) => Promise<RunRecord | undefined>,
): Promise<boolean> {
  return changing(async (where) => {
    const record = await read(await recordAt(where, id));
    if (record) await write(where, record);
    return record !== undefined;
  });
}

/** Reads all records, newest first. An unreadable one does not affect the others. */
export async function runRecords(): Promise<RunRecord[]> {
  const where = await folder("records", false);
  const found: RunRecord[] = [];
  if (!where) return found;
  for await (const name of where.keys()) {
    const record = name.endsWith(ending) ? await recordAt(where, name.slice(0, -ending.length)) : undefined;
    if (record) found.push(record);
  }
  return found.sort((one, other) => other.savedAt - one.savedAt);
}

export async function renameRecord(id: string, name: string): Promise<void> {
  await changing(async (where) => {
    const record = await recordAt(where, id);
    const kept = [...name.trim()].slice(0, NAME_LENGTH).join("");
    if (record) await write(where, { ...record, name: kept });
  });
}

export async function deleteRecord(id: string): Promise<void> {
  await changing((where) => unlessGone(() => where.removeEntry(id + ending)));
}

async function write(where: FileSystemDirectoryHandle, record: RunRecord): Promise<void> {
  await writeFile(where, record.id + ending, new TextEncoder().encode(JSON.stringify(record)));
}

async function recordAt(where: FileSystemDirectoryHandle, id: string): Promise<RunRecord | undefined> {
  try {
    const record: unknown = JSON.parse((await (await readFile(where, id + ending))?.text()) ?? "null");
    return isRecord(record) && record.id === id ? record : undefined;
  } catch {
    return undefined; // truncated while it was written
  }
}

/** Files written by an older or newer page may have another format. */
function isRecord(value: unknown): value is RunRecord {
  const record = value as RunRecord | null;
  return record?.format === "lorito-record" && record.version === 1;
}
