// How the worker starts, so that the page's policy (index.html) holds in it, too. A worker whose script comes over the
// network has only the policy that is sent with this script, and many hosts send none; one that starts from a blob has
// the policy of the page that made the blob (HTML, "initialize a worker global scope's policy container"). The worker
// parses files that nobody vouches for, so this matters most there.
import { trusted } from "./trusted";

/** Kept for good: after a loss of the engine the next worker starts from it. */
let start: string | undefined;

export function startWorker(): Worker {
  start ??= blobAddress(new URL("worker.js", import.meta.url));
  return new Worker(trusted(start) as string, { type: "module" });
}

/** The address of a module that imports another one, and so runs it. What is posted to the worker meanwhile waits. */
function blobAddress(module: URL): string {
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(module.href)};`], { type: "text/javascript" }));
}
