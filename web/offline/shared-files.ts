// Stores data that another program shares with the installed page.
import { sharedCache, shareFolder } from "../shared/offline";
import { params } from "../shared/share-target.json";

/** Stores a share, and returns its name. */
export async function keepShare(home: string, form: FormData): Promise<string> {
  const share = crypto.randomUUID();
  const cache = await caches.open(sharedCache(home));
  const files = form.getAll(params.files[0]?.name ?? "").filter((given) => given instanceof File);
  const text = form.get(params.text);
  // Text shared together with a file is only a caption.
  const parts = files.length > 0 ? files : typeof text === "string" && text.trim() ? [text] : [];
  for (const [index, given] of parts.entries()) {
    const name = typeof given === "string" ? "" : given.name;
    await cache.put(
      shareFolder(home, share) + index,
      new Response(given, { headers: { name: encodeURIComponent(name) } }),
    );
  }
  return share;
}
