// The worker's entry point: loads the crate's wasm and implements protocol.ts, one call of the session at a time.
import { expose } from "comlink";
import init, { Session } from "lorito-wasm";
import type { EngineChoice } from "../shared/engines";
import { problemOf, rejected } from "../shared/errors";
import { Mutex } from "../shared/mutex";
import type { WorkerApi } from "../shared/protocol";
import { startWorkersFrom } from "../shared/worker-start";
import { current, emit, engine, underWay } from "./engine";
import { firstPart } from "./first-part";
import { answered, chooseEngine, waitLonger, watchGpu } from "./gpu";
import { useStorage } from "./home";
import { lost, watchForEnd } from "./lost";
import { machine } from "./machine";
import { documents } from "./methods/documents";
import { exports } from "./methods/exports";
import { hub } from "./methods/hub";
import { measured, models } from "./methods/models";
import { runs, workersFor } from "./methods/runs";
import { texts } from "./methods/texts";
import { writing } from "./methods/writing";
import { hurryReadBacks } from "./read-backs";
import { RunSaver } from "./run-saver";
import { prepareToCompileAhead } from "./shaders";
import { doWithoutTimestamps } from "./timestamps";
import { Guarded } from "./turns";
import { WasmPart } from "./wasm-parts";
import { Writer } from "./writer";

// A trap in an async method is only visible here.
self.addEventListener("error", (event) => void watchForEnd(event.error));
self.addEventListener("unhandledrejection", (event) => void watchForEnd(event.reason));
doWithoutTimestamps();
watchGpu(lost);
hurryReadBacks(() => globalThis.loritoGpuDevice?.queue);
prepareToCompileAhead((reason) => lost({ code: rejected, reason }));

/** Methods that always need the deferred part of the wasm. Others may load it during the call, for example for a chat in a text file. */
const needingDeferred = new Set<string>([
  "textsIn",
  "importModel",
  "importFromUrl",
  "openHubModel",
  "exportModel",
  "exportFolder",
  "exportOnePage",
  "restoreRun",
  "saveModel",
  "writeWith",
  "chat",
  "documentsOf",
  "documentsIn",
  "roomBeside",
  "copied",
  "mostLike",
  "embed",
  "inspect",
  "tokenMap",
  "slowMotion",
] satisfies (keyof WorkerApi)[]);

const api: WorkerApi = {
  async start({ engine: asked, reason, attempts, again, memoryFailures, files, workerStart, storage, workers }) {
    current.files = files;
    startWorkersFrom(workerStart);
    useStorage(storage);
    if (again) waitLonger();
    const choice: EngineChoice = reason && asked ? { engine: asked, reason } : await chooseEngine(asked, attempts);
    const module = firstPart(files.wasm);
    const exports = module.then((compiled) => init({ module_or_path: compiled }));
    const gpuPart = new WasmPart("gpu", exports, files.gpu);
    const deferred = new WasmPart("deferred", exports, files.deferred);
    await Promise.all([exports, choice.engine === "webgpu" && gpuPart.load()]);
    current.module = await module;
    current.deferred = deferred;
    void deferred.loadIfKept();
    const starting = Session.start(choice.engine, machine(choice, memoryFailures));
    const started = await (choice.engine === "webgpu" ? answered(starting) : starting);
    if (choice.engine === "cpu") started.setWorkers(workersFor(workers));
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
      gigaflops: measured.gigaflops,
      halfPrecision: measured.halfPrecision,
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

  cancel: async (call) => underWay.end(call),

  ...texts,
  ...documents,
  ...models,
  ...exports,
  ...hub,
  ...runs,
  ...writing,
};

/** Errors are sent as plain objects; Comlink would keep only the message of an instance. */
function withProblems<A extends object>(methods: A): A {
  return new Proxy(methods, {
    get: (target, name, receiver) => {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== "function") return method;
      return async (...values: unknown[]) => {
        try {
          if (needingDeferred.has(String(name))) await current.deferred?.load();
          return await method.apply(target, values);
        } catch (thrown) {
          throw problemOf(thrown);
        }
      };
    },
  });
}

expose(withProblems(api));
