// Opens data that another program passes to the installed page, like dropped files.

import { SHARED, sharedCache, shareFolder } from "../../shared/offline";
import { home } from "../home";
import { takeFiles, takePaste } from "../intake";
import type { Store } from "../state";
import { goTo } from "../views/view";

interface LaunchQueue {
  setConsumer(take: (launch: { files?: readonly FileSystemFileHandle[] }) => void): void;
}

/** Reads the data that the page was opened for: a share, and files opened with it. */
export async function takeReceived(store: Store): Promise<void> {
  const { launchQueue } = globalThis as { launchQueue?: LaunchQueue };
  launchQueue?.setConsumer(({ files = [] }) => {
    if (files.length > 0) void take(store, async () => Promise.all(files.map((handle) => handle.getFile())));
  });
  const address = new URL(location.href);
  const share = address.searchParams.get(SHARED);
  if (share === null) return;
  address.searchParams.delete(SHARED);
  history.replaceState(history.state, "", address);
  await take(store, () => takeShare(home, share));
}

async function take(store: Store, get: () => Promise<File[]>): Promise<void> {
  const files = await store.attempt("text", undefined, get);
  const text = files?.length === 1 && files[0]?.name === "" ? files[0] : undefined;
  if (text) await takePaste(store, await text.text());
  else if (files) await takeFiles(store, files).then(({ hadModel }) => hadModel && goTo("share"));
}

/** The shared files, or the shared text as a file without a name. Each share can be read once. */
async function takeShare(home: string, share: string): Promise<File[]> {
  const cache = await caches.open(sharedCache(home));
  const files: File[] = [];
  for (let index = 0; ; index++) {
    const address = shareFolder(home, share) + index;
    const part = await cache.match(address);
    if (!part) return files;
    files.push(new File([await part.blob()], decodeURIComponent(part.headers.get("name") ?? "")));
    await cache.delete(address);
  }
}
