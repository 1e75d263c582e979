// Starts workers from a blob, so that the page's content security policy (index.html) applies in them. A worker whose script is
// fetched has only the policy in that response's headers, and many hosts send none; one that starts from a blob inherits the
// policy of whoever starts it (HTML, "initialize a worker global scope's policy container"). Workers parse untrusted files, so
// this matters most there.
import { trusted } from "./trusted";

/** The blobs by the modules that they start. Kept permanently: after a loss of the engine the next worker starts from one. */
const starts = new Map<string, string>();

/** `module`: the address of the worker's script. */
export function startWorker({ href }: URL): Worker {
  const start = starts.get(href) ?? blobAddress(href);
  starts.set(href, start);
  return new Worker(trusted(start) as string, { type: "module" });
}

/** The address of a module that imports another one and so runs it. Messages posted meanwhile are queued. */
function blobAddress(module: string): string {
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(module)};`], { type: "text/javascript" }));
}
