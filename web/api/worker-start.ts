// Starts the worker from a blob, so that the page's content security policy (index.html) applies in it. A worker whose
// script is fetched has only the policy in that response's headers, and many hosts send none; one that starts from a blob
// inherits the policy of the page (HTML, "initialize a worker global scope's policy container"). The worker parses
// untrusted files, so this matters most there.
import { trusted } from "./trusted";

/** Kept permanently: after a loss of the engine the next worker starts from it. */
let start: string | undefined;

export function startWorker(): Worker {
  start ??= blobAddress(new URL("worker.js", import.meta.url));
  return new Worker(trusted(start) as string, { type: "module" });
}

/** The address of a module that imports another one and so runs it. Messages posted meanwhile are queued. */
function blobAddress(module: URL): string {
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(module.href)};`], { type: "text/javascript" }));
}
