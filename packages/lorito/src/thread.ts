// The start of a thread of Node: gives it what a browser's worker has, as far as Lorito's scripts use it, and runs the script
// that it is for. All of this is seen in this thread alone.
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { parentPort, type TransferListItem, workerData } from "node:worker_threads";
import { ThreadWorker, type UncaughtError } from "./thread-worker";

const port = parentPort;
if (!port) throw new Error("thread.js starts in a thread");
const events = new EventTarget();

/** Reads the package's own files, which a browser fetches. */
const isFile = (address: string) => address.startsWith("file:");
const { fetch: fetchFromWeb } = globalThis;

async function fetchAlsoFiles(...request: Parameters<typeof fetch>): Promise<Response> {
  const address = String(request[0] instanceof Request ? request[0].url : request[0]);
  return isFile(address) ? new Response(await readFile(fileURLToPath(address))) : fetchFromWeb(...request);
}

/** Reads a file of the package while the wasm waits (web/worker/wasm-parts.ts). There are no other requests of this kind. */
class FileRequest {
  response: ArrayBuffer | undefined;
  #address = "";

  open(_method: string, address: string): void {
    if (!isFile(address)) throw new Error(`${address} is no file, and Node waits for nothing else`);
    this.#address = address;
  }

  send(): void {
    const bytes = readFileSync(fileURLToPath(this.#address));
    this.response = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  }
}

function postMessage(message: unknown, given: readonly unknown[] | { transfer?: readonly unknown[] } = []): void {
  const transfer = "transfer" in given ? (given.transfer ?? []) : given;
  port?.postMessage(message, transfer as TransferListItem[]);
}

/** An error that nobody caught: a browser tells it to the script and to whoever started the worker, and goes on. */
function reportError(error: unknown): void {
  events.dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { error, message: String(error) }));
  port?.postMessage({ uncaught: String(error) } satisfies UncaughtError);
}

process.on("uncaughtException", reportError);
process.on("unhandledRejection", (reason) => {
  events.dispatchEvent(Object.assign(new Event("unhandledrejection"), { reason }));
});

const browserHas: Record<string, unknown> = {
  self: globalThis,
  addEventListener: events.addEventListener.bind(events),
  removeEventListener: events.removeEventListener.bind(events),
  dispatchEvent: events.dispatchEvent.bind(events),
  postMessage,
  reportError,
  fetch: fetchAlsoFiles,
  XMLHttpRequest: FileRequest,
  Worker: ThreadWorker,
  // Neither a GPU nor storage, which the engine finds out for itself.
  navigator: {
    hardwareConcurrency: availableParallelism(),
    deviceMemory: totalmem() / 2 ** 30,
    userAgent: `Node.js/${process.versions.node}`,
  },
};
// Node has it from version 22 on; the reader of PDFs uses it.
Promise.withResolvers ??= <T>() => {
  let [resolve, reject]: ((value: never) => void)[] = [];
  const promise = new Promise<T>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject } as unknown as PromiseWithResolvers<T>;
};
for (const [name, value] of Object.entries(browserHas))
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });

await import(workerData);
// From here on messages are heard; those that came before have waited.
port.on("message", (data) => events.dispatchEvent(new MessageEvent("message", { data })));
