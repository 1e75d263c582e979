// Starts workers: from blobs on the page, so that the page's content security policy (index.html) applies in them. A worker
// whose script is fetched has only the policy in that response's headers, and many hosts send none; one that starts from a
// blob inherits the policy of the page or worker that starts it (HTML, "initialize a worker global scope's policy container").
// Workers parse untrusted files, so this matters most there. On other people's pages, whose policies may know no blobs, they
// start from their addresses.
import { trusted } from "./trusted";

export type WorkerStart = "blob" | "address";

/** How the workers of this worker start, which is how it was started itself; a page says it for each. */
let asThisOne: WorkerStart = "blob";

export function startWorkersFrom(start: WorkerStart): void {
  asThisOne = start;
}

/** Addresses of the blobs by their modules. Kept permanently: a module may be started again. */
const blobs = new Map<string, string>();

/** Starts a worker from a module of ours. */
export function startWorker({ href }: URL, from = asThisOne): Worker {
  const address = from === "blob" ? (blobs.get(href) ?? blobAddress(href)) : href;
  return new Worker(trusted(address) as string, { type: "module" });
}

/** The address of a module that imports another one and so runs it. Messages posted meanwhile are queued. */
function blobAddress(module: string): string {
  const start = URL.createObjectURL(new Blob([`import ${JSON.stringify(module)};`], { type: "text/javascript" }));
  blobs.set(module, start);
  return start;
}
