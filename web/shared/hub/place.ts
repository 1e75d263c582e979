// Where on which hub: from what people type, or a link has, to a repository.
import type { Problem } from "../errors";
import type { HubPlace } from "./types";

export const HUGGING_FACE = "https://huggingface.co";

/** The branch on which the hub has the tables of a dataset as Parquet files. */
export const CONVERTED = "refs/convert/parquet";

/** One part of a repository's name, as the hub itself allows it. */
const part = /^(?!.*(--|\.\.))[\w][\w.-]{0,95}$/;
/** Pages of a repository, by what follows its name: those of one revision, and those of none. */
const OF_REVISION = ["tree", "blob", "resolve", "raw", "commit"];
const OF_ALL = ["commits", "viewer", "discussions"];
/** What begins the address of a model by its name: `?model=hf:owner/name`. */
const prefix = /^hf:(\/\/)?/i;

/** Whether a link's `?model=` names a repository on the hub, and no address. */
export function isHubName(text: string): boolean {
  return prefix.test(text);
}

/** The address that a text is, seen from the page's own; undefined if nothing can be fetched there. */
export function webAddress(text: string, page: string): URL | undefined {
  const address = URL.canParse(text, page) ? new URL(text, page) : undefined;
  // Browsers fetch nothing from an address with a name and a password in it, which may also pass for the host's.
  const isOpen = address && /^https?:$/.test(address.protocol) && !address.username && !address.password;
  return isOpen ? address : undefined;
}

/** A hub's address as it is used; throws if it is none. */
export function hubAddress(text: string): string {
  const typed = text.trim();
  const address = URL.canParse(typed) ? new URL(typed) : undefined;
  if (!address || !/^https?:$/.test(address.protocol)) throw { code: "address-invalid", url: text } satisfies Problem;
  return (address.origin + address.pathname).replace(/\/+$/, "");
}

export function hostOf({ hub }: { hub: string }): string {
  return new URL(hub).host;
}

/** Whether what is sent to a hub can be read by nobody on the way: it is encrypted, or does not leave this machine. */
export function isPrivateWay(hub: string): boolean {
  const { protocol, hostname } = new URL(hub);
  return protocol === "https:" || /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/**
 * The repository that a text names: "owner/name", "owner/name@revision", "hf:owner/name", "datasets/owner/name", or an
 * address of one of its pages, which then says the hub, too.
 */
export function placeOf(text: string, type: HubPlace["type"], hub: string): HubPlace {
  const invalid: Problem = { code: "hub-name-invalid", name: text };
  const typed = text.trim().replace(prefix, "");
  const isAddress = /^https?:\/\//i.test(typed);
  if (isAddress && !URL.canParse(typed)) throw invalid;
  const page = isAddress ? new URL(typed) : undefined;
  const at = page ? page.origin + page.pathname : typed;
  // A hub may lie in a folder of its host.
  const from = page && !at.startsWith(`${hub}/`) ? page.origin : hub;
  const path = page ? at.slice(from.length) : typed.split("@")[0];
  const asked = page ? undefined : typed.split("@")[1];
  const parts = (path ?? "").split("/").filter(Boolean).map(decoded);
  if (parts[0] === "datasets" || parts[0] === "models") {
    if (parts[0] !== `${type}s`) throw invalid;
    parts.shift();
  }
  // What follows the name on the hub's own pages: /tree/main, /blob/main/config.json, /viewer/default/train, …
  const after = parts.findIndex((name, index) => index > 0 && (OF_REVISION.includes(name) || OF_ALL.includes(name)));
  const named = after < 0 ? parts : parts.slice(0, after);
  const shown = OF_REVISION.includes(parts[after] ?? "") ? parts[after + 1] : undefined;
  if (named.length < 1 || named.length > 2 || !named.every((name) => part.test(name))) throw invalid;
  return { hub: from, type, name: named.join("/"), revision: asked || shown || "main" };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return ""; // no name
  }
}

/** As people write it: "owner/name" or "datasets/owner/name", with the revision where it is not the usual one. */
export function placeName({ type, name, revision }: HubPlace): string {
  const full = type === "dataset" ? `datasets/${name}` : name;
  return revision === "main" || revision === CONVERTED ? full : `${full}@${revision}`;
}
