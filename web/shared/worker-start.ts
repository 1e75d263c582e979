// Starts workers from blobs, so that the page's content security policy (index.html) applies in them. A worker whose
// script is fetched has only the policy in that response's headers, and many hosts send none; one that starts from a blob
// inherits the policy of the page or worker that starts it (HTML, "initialize a worker global scope's policy container").
// Workers parse untrusted files, so this matters most there.
import { trusted } from "./trusted";

/** Addresses of the blobs by their modules. Kept permanently: a module may be started again. */
const starts = new Map<string, string>();

/** Starts a worker from a module of the page. */
export function startWorker(module: URL): Worker {
  const start = starts.get(module.href) ?? blobAddress(module);
  starts.set(module.href, start);
  return new Worker(trusted(start) as string, { type: "module" });
}

/** The address of a module that imports another one and so runs it. Messages posted meanwhile are queued. */
function blobAddress(module: URL): string {
  return URL.createObjectURL(new Blob([`import ${JSON.stringify(module.href)};`], { type: "text/javascript" }));
}
