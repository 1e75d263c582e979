// The worker's entry point: loads the crate's wasm and implements protocol.ts, one call of the session at a time.
import { expose, transfer } from "comlink";
import init, {
  type HalfPrecision,
  type LeftOut,
  type ModelConfig,
  type SelfCheckResult,
  Session,
  stopReason,
} from "lorito-wasm";
import type { EngineChoice } from "../shared/engines";
import { type Problem, problemOf, readingFile, rejected } from "../shared/errors";
import { Mutex } from "../shared/mutex";
import { part } from "../shared/part";
import type {
  ExportKind,
  ExportWords,
  NamedFile,
  NewModel,
  Reading,
  RunRequest,
  WorkerApi,
  WorkerEvent,
} from "../shared/protocol";
import { searched } from "./copied";
import { Deferred, PartMissing } from "./deferred";
import { download } from "./download";
import { current, emit, engine, exclusively, type Running, refuseWhileTraining } from "./engine";
import { answered, chooseEngine, waitLonger, watchGpu } from "./gpu";
import { useHome } from "./home";
import { machine } from "./machine";
import { checkConfig, checkHeader, namesOf, openAny, openModel } from "./opening";
import { compileAhead, shaders, tuned } from "./precompile";
import { hurryReadBacks } from "./read-backs";
import { reading } from "./reading";
import { RunNotes } from "./run-notes";
import { RunSaver } from "./run-saver";
import { prepareToCompileAhead } from "./shaders";
import * as storage from "./storage";
import { doWithoutTimestamps } from "./timestamps";
import { RunControl, train as trainRun } from "./training";
import { Guarded, macrotask } from "./turns";
import { UnderWay, type Watch } from "./under-way";
import { unknownIn, Writer } from "./writer";

const underWay = new UnderWay((call, loaded, total) => emit({ event: "loaded", call, loaded, total }));

/** Reports to the page that this worker must be replaced. */
const lost = (problem: Problem) => emit({ event: "lost", problem });

/** The wasm's recorded reason for a trap. It may not be loaded, or unable to respond. */
function whyStopped(): Problem | undefined {
  try {
    return stopReason();
  } catch {
    return undefined;
  }
}

function whyTrapped(trap: WebAssembly.RuntimeError): Problem {
  if (trap instanceof PartMissing) return { code: "part-missing" };
  return whyStopped() ?? { code: "internal", reason: trap.message };
}

/** Milliseconds to wait for the browser's own report on the GPU after the crate has failed. */
const reasonWithin = 200;

/** Detects fatal errors of the session. */
async function watchForEnd(thrown: unknown): Promise<void> {
  // After a trap the state of the wasm's memory is undefined; the recorded reason can still be read.
  const trap = thrown instanceof WebAssembly.RuntimeError;
  const problem = trap ? whyTrapped(thrown) : problemOf(thrown);
  if (!trap && problem.code !== "device-lost" && problem.code !== rejected) return;
  // The crate often fails before the browser reports the cause, and the page uses the first report.
  await new Promise((resolve) => setTimeout(resolve, reasonWithin));
  lost(problem);
}
// A trap in an async method is only visible here.
self.addEventListener("error", (event) => void watchForEnd(event.error));
self.addEventListener("unhandledrejection", (event) => void watchForEnd(event.reason));
doWithoutTimestamps();
watchGpu(lost);
hurryReadBacks(() => globalThis.loritoGpuDevice?.queue);
prepareToCompileAhead((reason) => lost({ code: rejected, reason }));

/** The deferred part of the wasm, once the first part is loaded. */
let deferred: Deferred | undefined;

/** Methods that always need it. Others may load it during the call, for example for a chat in a text file. */
const needingDeferred = new Set<string>([
  "textsIn",
  "importModel",
  "importFromUrl",
  "openHubModel",
  "exportModel",
  "exportFolder",
  "exportOnePage",
  "restoreRun",
  "writeWith",
  "chat",
  "copied",
  "mostLike",
  "inspect",
  "tokenMap",
  "slowMotion",
] satisfies (keyof WorkerApi)[]);

/** The module that generates text with saved models beside the open one, once it has been requested. */
let beside: Promise<typeof import("./beside")> | undefined;

/** The machine's speed for estimates, once measured. */
let gigaflops: number | undefined;
/** The result of the check of half precision, once made. */
let halfPrecision: HalfPrecision | undefined;

/** A preset with the user's changes, and the tokenizer's vocabulary. */
function modelConfig(session: Session, { preset = "tiny", seed: _, ...given }: NewModel): ModelConfig {
  const presets = session.presets();
  const base = presets.find(({ name }) => name === preset);
  if (!base) throw { code: "preset-unknown", preset, known: presets.map(({ name }) => name) } satisfies Problem;
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...base.model, ...Object.fromEntries(set) };
}

async function readText(
  { signal, progress }: Watch,
  name: string,
  given: Blob | Blob[],
  { field: wanted, chat, encoding }: Reading,
  replaces?: number,
) {
  const { session, saver } = engine();
  if (!/\.(txt|md)$/i.test(name)) await deferred?.load();
  const { field, pieces, size, expected } = await reading(session, name, given, wanted, signal);
  await session.use((open) => open.openFile(name, expected, field, chat, encoding));
  try {
    for await (const { bytes, part } of pieces) {
      await session.use((open) => open.pushBytes(bytes));
      progress(Math.round(part * size), size);
      await macrotask();
    }
    const summary = await session.use((open) => open.closeFile(replaces));
    saver.textChanged();
    return summary;
  } catch (thrown) {
    await session.use((open) => open.dropFile());
    throw thrown;
  }
}

/** Reports the characters of a prompt that the model has no token for. */
function reportUnknown(call: number, session: Session, texts: string[]): void {
  const characters = unknownIn(session, texts);
  if (characters) emit({ event: "unknown", call, characters });
}

async function exportModel(kind: Exclude<ExportKind, "html">, name: string, words: ExportWords): Promise<Blob> {
  const bytes = await engine().session.use((session) => exported(session, kind, name, words));
  const type = kind === "huggingface" || kind === "adapter" ? "application/zip" : "application/octet-stream";
  return new Blob([bytes as BlobPart], { type });
}

function exported(
  session: Session,
  kind: Exclude<ExportKind, "html">,
  name: string,
  words: ExportWords,
): Promise<Uint8Array> {
  switch (kind) {
    case "safetensors":
      return session.exportSafetensors(name);
    case "huggingface":
      return session.exportHuggingFace(name, new Date().toISOString().slice(0, 10), words);
    case "gguf-f16":
      return session.exportGguf(name, "f16");
    case "gguf-q8":
      return session.exportGguf(name, "q8_0");
    case "adapter":
      return session.exportAdapter(name);
  }
}

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
  if (event.event === "progress") deferred?.loadAhead();
}

/** `begin` prepares the session's run, new or restored; then the loop trains it. */
async function train(begin: (tools: Running, notes: RunNotes) => Promise<void>, request: RunRequest) {
  const tools = engine();
  refuseWhileTraining();
  const control = new RunControl(request);
  const notes = new RunNotes();
  current.control = control;
  try {
    await tuned();
    await begin(tools, notes);
    await shaders.writing;
    const emit = (event: WorkerEvent) => {
      notes.add(event);
      emitOfRun(event);
    };
    const result = await trainRun({ ...tools, emit, compiled: shaders.training, judge }, control);
    await record(tools, notes);
    return result;
  } finally {
    current.control = undefined;
  }
}

/** Saves the record of a run that has ended, for comparisons. A failure does not prevent saving the run. */
async function record({ engine, session, saver }: Running, notes: RunNotes): Promise<void> {
  const { run: id, textName } = saver;
  try {
    const { keepRecord, recordOf } = await part(import("./records"));
    const kept = await keepRecord(id, (before) =>
      session.use((open) => recordOf(open, { id, textName, engine, notes }, before)),
    );
    if (kept) emit({ event: "recorded" });
  } catch (thrown) {
    // If the storage refuses the run as well, that error is reported instead.
    if (saver.isStored) emit({ event: "not-recorded", problem: problemOf(thrown) });
  }
}

/** Awaits a read from storage, and converts its errors. */
const stored = <T>(asked: Promise<T>): Promise<T> =>
  asked.catch((thrown) => {
    throw storage.refusal(thrown, "reading");
  });

/** Saves the run after an earlier failure: at once, unless training is about to. */
async function saveAgain(): Promise<void> {
  const { saver } = engine();
  if (current.control) current.control.nudge();
  else if (saver.due) await saver.save();
}

const api: WorkerApi = {
  async start({ engine: asked, reason, attempts, again, home, memoryFailures }) {
    useHome(home ?? "/");
    if (again) waitLonger();
    const choice: EngineChoice = reason && asked ? { engine: asked, reason } : await chooseEngine(asked, attempts);
    deferred = new Deferred(await init(), new URL("lorito_deferred.wasm", import.meta.url));
    const starting = Session.start(choice.engine, machine(choice, memoryFailures));
    const started = await (choice.engine === "webgpu" ? answered(starting) : starting);
    const session = new Guarded(started, watchForEnd);
    current.running = {
      engine: choice.engine,
      gpu: choice.software ? undefined : { name: choice.identified ? choice.adapter : undefined },
      session,
      writer: new Writer(session),
      saver: new RunSaver(session, emit),
      files: new Mutex(),
    };
    return { ...choice, limits: started.engine().limits };
  },

  facts: () => {
    const { engine: kind, session } = engine();
    return session.use((idle) => ({
      kernels: kind === "webgpu" ? idle.kernelsInUse() : undefined,
      gigaflops,
      halfPrecision,
      writing: idle.writingTimes() ?? undefined,
      model: idle.modelSummary() ?? undefined,
    }));
  },

  plain: (method, ...values) =>
    engine().session.use((session) => {
      // TypeScript cannot relate method, arguments and result to each other.
      const call = session[method] as (...values: unknown[]) => unknown;
      return call.apply(session, values);
    }) as never,

  namesIn: async (archive) => (await part(import("./archive"))).Archive.open(archive).then(({ names }) => names),

  textsIn: (call, name, given) =>
    underWay.watch(call, async ({ signal }) => {
      const [{ Archive }, { textsOf }] = await part(Promise.all([import("./archive"), import("./archive-texts")]));
      const isChat = (start: string) => engine().session.use((session) => session.looksLikeChat(start));
      return readingFile(name, async () => textsOf(await Archive.open(given, signal), name, isChat));
    }),

  addText: (call, name, data, reading, replaces) =>
    underWay.watch(call, (watch) =>
      engine().files.run(() => readingFile(name, () => readText(watch, name, data, reading, replaces))),
    ),

  removeText: async (index) => {
    const { session, saver } = engine();
    saver.textChanged();
    return session.use((open) => open.removeSource(index));
  },

  clearText: async () => {
    const { session, saver } = engine();
    saver.textChanged();
    return session.use((open) => {
      open.clearText();
      return open.textSummary();
    });
  },

  holdBack: async (what) => {
    const { session, saver } = engine();
    saver.textChanged();
    return session.use((open) => open.holdBack(what));
  },

  trainTokenizer: async (kind, vocabulary) => {
    if (kind === "bpe") await deferred?.load();
    const summary = await exclusively((session) => session.trainTokenizer(kind, vocabulary));
    engine().saver.textChanged();
    return summary;
  },

  planModel: async (model, config) => {
    if (!current.control) await tuned();
    const { engine: kind, session, gpu } = engine();
    return session.use(async (open) => {
      const shape = modelConfig(open, model);
      // A GPU's speed depends on the size of its work; a CPU's does not.
      const depends = kind === "webgpu" && gpu !== undefined;
      if (!current.control && (depends || gigaflops === undefined)) gigaflops = await open.measure(shape, config);
      return open.planModel(shape, config);
    });
  },

  checkHalfPrecision: async () => {
    await tuned();
    halfPrecision ??= await exclusively((session) => session.checkHalfPrecision());
    return halfPrecision;
  },

  compileAhead: async (model, config) => {
    const shape = await engine().session.use((session) => modelConfig(session, model));
    await compileAhead(shape, config);
  },

  createModel: async (model) => {
    await tuned();
    const made = await exclusively((session) => session.createModel(modelConfig(session, model), model.seed ?? 1337));
    engine().saver.modelChanged();
    void compileAhead(made.config, {});
    return made;
  },

  importModel: (call, source) => underWay.watch(call, ({ signal }) => openAny(call, source, signal)),

  importFromUrl: (call, url) =>
    underWay.watch(call, async (watch) => {
      refuseWhileTraining();
      const file = await download(url, checkHeader, watch);
      return { model: await openModel(file), file };
    }),

  exportModel,
  exportOnePage: async (name, words) => {
    const { writeOnePage } = await part(import("./one-page/write"));
    const model = await engine().session.use((session) => session.exportSafetensors(name));
    // The worker's own address is that of its blob.
    return writeOnePage(name, words, new Blob([model as BlobPart]), import.meta.url);
  },
  exportFolder: async (name, words) => {
    const { Archive } = await part(import("./archive"));
    const archive = await Archive.open(await exportModel("huggingface", name, words));
    const files: NamedFile[] = [];
    for (const inside of archive.names) files.push({ name: inside, data: await archive.unpack(inside) });
    return files;
  },

  openHubModel: (call, place) =>
    underWay.watch(call, async (watch) => {
      refuseWhileTraining();
      const { fetchModel } = await part(import("./hub/model"));
      const { files, unkept, notices } = await fetchModel(place, { ...watch, arrived: checkConfig });
      for (const notice of notices) emit({ event: "notice", call, notice });
      return { summary: await openAny(call, files, watch.signal), files, unkept };
    }),

  hubDataset: (call, place) =>
    underWay.watch(call, async ({ signal }) => (await part(import("./hub/dataset"))).datasetAt(place, signal)),

  hubFiles: (call, place, commit, files) =>
    underWay.watch(call, async (watch) => (await part(import("./hub/transfer"))).transfer(place, commit, files, watch)),

  sendToHub: (call, sending) =>
    underWay.watch(call, async (watch) => (await part(import("./hub/send"))).send(sending, watch)),

  keptRepos: async () => (await part(import("./hub/cache"))).keptRepos(),
  forgetRepo: async (key) => (await part(import("./hub/cache"))).forgetRepo(key),

  cancel: async (call) => underWay.end(call),

  mayStore: async () => {
    engine().saver.allowStoring();
    await saveAgain();
  },

  train: (config, save, request) =>
    train(async ({ session, saver }, notes) => {
      const taught = await session.use((idle) => idle.addTurnTokens());
      const model = await session.use((idle) => {
        idle.beginTraining(config);
        notes.begins(idle);
        return idle.modelSummary();
      });
      if ((config.lora || taught) && model) emit({ event: "adapted", model });
      await saver.begin(save);
    }, request),

  continueRun: (save, request) => train(({ saver }) => saver.goOn(save), request),

  mergeAdapter: async () => {
    const model = await exclusively((session) => session.mergeAdapter());
    engine().saver.modelChanged();
    return model;
  },

  returnToBest: async () => {
    await exclusively((session) => session.returnToBest());
    engine().saver.touch();
    await engine().saver.save();
  },

  control: async (request) => current.control?.set(request),

  generate: (call, prompt, options) =>
    engine().writer.forPerson({
      begin: async (session) => {
        if (typeof prompt !== "string") return session.beginGenerationAfter(prompt, options);
        await session.beginGeneration(prompt, options);
        reportUnknown(call, session, [prompt]);
      },
      piece: (piece) => emit({ event: "piece", call, piece }),
    }),

  chat: (call, messages, options) => {
    const tell = (leftOut: LeftOut) => emit({ event: "left-out", call, leftOut });
    return engine().writer.forPerson({
      begin: async (session) => {
        tell(await session.beginChat(messages, options));
        const words = messages.map(({ content }) => content);
        reportUnknown(call, session, words);
      },
      piece: (piece) => emit({ event: "piece", call, piece }),
      end: (session) => tell(session.leftOut()),
    });
  },

  copied: (text) => searched(engine().session, (session) => session.findCopied(text)),
  mostLike: (text) => searched(engine().session, (session) => session.findNearest(text)),

  stopWriting: async () => {
    current.running?.writer.stop();
    (await beside)?.stopBeside();
  },

  writeWith: async (call, name, prompt, options) => {
    refuseWhileTraining();
    const file = await stored(storage.savedModelFile(name));
    beside ??= part(import("./beside"));
    const { writeBeside } = await beside;
    // The path of the crate's JavaScript is relative to this file.
    const start = () => Session.start("cpu", machine({ engine: "cpu", reason: "chosen" }));
    return writeBeside(start, file, prompt, options, {
      piece: (piece) => emit({ event: "piece", call, piece }),
      unknown: (characters) => emit({ event: "unknown", call, characters }),
      failed: watchForEnd,
    });
  },

  runRecords: async () => stored((await part(import("./records"))).runRecords()),
  renameRecord: async (id, name) => (await part(import("./records"))).renameRecord(id, name),
  deleteRecord: async (id) => (await part(import("./records"))).deleteRecord(id),

  inspect: (prompt, written) =>
    engine().session.use(async (session) => {
      const inspection = await session.inspect(prompt, written);
      const attention = session.inspectedAttention();
      return transfer({ ...inspection, attention }, [attention.buffer]);
    }),
  tokenMap: () => engine().session.use((session) => session.tokenMap()),
  slowMotion: () => engine().session.use((session) => session.slowMotion()),

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

  savedModels: () => stored(storage.savedModels()),

  saveModel: async (name) => {
    const title = storage.clean(name);
    const bytes = await engine().session.use((session) => session.exportSafetensors(title));
    return storage.saveModel(title, bytes);
  },

  renameModel: storage.renameModel,
  deleteModel: async (name) => {
    await storage.deleteModel(name);
    engine().saver.retry();
    await saveAgain();
  },
  savedModelFile: (name) => stored(storage.savedModelFile(name)),
};

/** Errors are sent as plain objects; Comlink would keep only the message of an instance. */
function withProblems<A extends object>(methods: A): A {
  return new Proxy(methods, {
    get: (target, name, receiver) => {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== "function") return method;
      return async (...values: unknown[]) => {
        try {
          if (needingDeferred.has(String(name))) await deferred?.load();
          return await method.apply(target, values);
        } catch (thrown) {
          throw problemOf(thrown);
        }
      };
    },
  });
}

expose(withProblems(api));
