// Has a document read by a worker of its own, and ends it when it is done, cancelled, or takes too long.
import type { Problem } from "../../shared/errors";
import type { DocumentKind } from "../../shared/kinds";
import { startWorker } from "../../shared/worker-start";
import { files } from "../engine";
import type { Answer, Document, Order, Progress } from "./document";

/** Largest document, in bytes: it is in memory as a whole, with its pictures. */
const largest = 2 ** 28;
/** Seconds without progress, of a page or of a document without pages, after which the reading is given up. */
const patience = 8;

export async function readDocument(
  name: string,
  kind: DocumentKind,
  file: Blob,
  signal: AbortSignal,
  progress: Progress,
): Promise<Document> {
  const bytes = file.size;
  if (bytes > largest) throw { code: "file-too-large", name, bytes, limit: largest } satisfies Problem;
  const worker = startWorker(new URL(files().documents));
  /** Runs once the reader is loaded: it may come through a slow network. */
  let clock: ReturnType<typeof setInterval> | undefined;
  try {
    return await new Promise<Document>((resolve, reject) => {
      let waited = 0;
      const wait = () => {
        waited += 1;
        if (waited > patience) reject({ code: "document-too-slow", name, seconds: patience } satisfies Problem);
      };
      const cancel = () => reject({ code: "cancelled" } satisfies Problem);
      if (signal.aborted) cancel();
      signal.addEventListener("abort", cancel);
      worker.addEventListener("error", ({ message }) => {
        const missing: Problem = { code: "part-missing" };
        reject(clock ? ({ code: "document-damaged", name, reason: message } satisfies Problem) : missing);
      });
      worker.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
        if ("document" in data) resolve(data.document);
        else if ("problem" in data) reject(data.problem);
        else {
          // Counted in parts: a delay of this worker itself must not count as the other's.
          clock ??= setInterval(wait, 1000);
          waited = 0;
          progress(data.part);
        }
      });
      worker.postMessage({ name, kind, file } satisfies Order);
    });
  } finally {
    clearInterval(clock);
    worker.terminate();
  }
}
