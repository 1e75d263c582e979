// Opens what another program has given to the installed page, as if it had been dropped there.
import { takeFiles, takePaste } from "../intake";
import { homeFolder } from "../place";
import type { Store } from "../state";
import { goTo } from "../views/view";
import { SHARED, takeShare } from "./sharing";

interface LaunchQueue {
  setConsumer(take: (launch: { files?: readonly FileSystemFileHandle[] }) => void): void;
}

/** Takes in what the page was opened for: something shared, and files that were opened with it. */
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
  await take(store, () => takeShare(homeFolder(), share));
}

async function take(store: Store, get: () => Promise<File[]>): Promise<void> {
  const files = await store.attempt("text", undefined, get);
  const text = files?.length === 1 && files[0]?.name === "" ? files[0] : undefined;
  if (text) await takePaste(store, await text.text());
  else if (files) await takeFiles(store, files).then(({ hadModel }) => hadModel && goTo("share"));
}
