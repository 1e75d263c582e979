// Parses repository names and hub addresses that a user types or that a link contains.
import type { Problem } from "../errors";
import type { HubPlace } from "./types";

export const HUGGING_FACE = "https://huggingface.co";

/** The branch on which the hub publishes a dataset's tables as Parquet files. */
export const CONVERTED = "refs/convert/parquet";

/** One part of a repository's name, by the hub's own rule. */
const part = /^(?!.*(--|\.\.))[\w][\w.-]{0,95}$/;
/** The path segments after a repository's name, for pages of one revision and for pages without one. */
const OF_REVISION = ["tree", "blob", "resolve", "raw", "commit"];
const OF_ALL = ["commits", "viewer", "discussions"];
/** The prefix of a model's hub name in an address: `?model=hf:owner/name`. */
const prefix = /^hf:(\/\/)?/i;

/** Whether a link's `?model=` is the name of a hub repository rather than an address. */
export function isHubName(text: string): boolean {
  return prefix.test(text);
}

/** Resolves `text` against the page's address; undefined if it cannot be fetched. */
export function webAddress(text: string, page: string | undefined): URL | undefined {
  const address = URL.canParse(text, page) ? new URL(text, page) : undefined;
  // Browsers refuse to fetch addresses with credentials, and such a name could be mistaken for the host's.
  const isOpen = address && /^https?:$/.test(address.protocol) && !address.username && !address.password;
  return isOpen ? address : undefined;
}

/** Normalizes a hub's address; throws if it is invalid. */
export function hubAddress(text: string): string {
  const typed = text.trim();
  const address = URL.canParse(typed) ? new URL(typed) : undefined;
  if (!address || !/^https?:$/.test(address.protocol)) throw { code: "address-invalid", url: text } satisfies Problem;
  return (address.origin + address.pathname).replace(/\/+$/, "");
}

export function hostOf({ hub }: { hub: string }): string {
  return new URL(hub).host;
}

/** Whether nobody can read the traffic to a hub: it is encrypted, or stays on this machine. */
export function isPrivateWay(hub: string): boolean {
  const { protocol, hostname } = new URL(hub);
  return protocol === "https:" || /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/**
 * The repository that a text names: "owner/name", "owner/name@revision", "hf:owner/name", "datasets/owner/name", or the
 * address of one of its pages, which then also determines the hub.
 */
export function placeOf(text: string, type: HubPlace["type"], hub: string): HubPlace {
  const invalid: Problem = { code: "hub-name-invalid", name: text };
  const typed = text.trim().replace(prefix, "");
  const isAddress = /^https?:\/\//i.test(typed);
  if (isAddress && !URL.canParse(typed)) throw invalid;
  const page = isAddress ? new URL(typed) : undefined;
  const at = page ? page.origin + page.pathname : typed;
  // A hub may be served from a folder of its host.
  const from = page && !at.startsWith(`${hub}/`) ? page.origin : hub;
  const path = page ? at.slice(from.length) : typed.split("@")[0];
  const asked = page ? undefined : typed.split("@")[1];
  const parts = (path ?? "").split("/").filter(Boolean).map(decoded);
  if (parts[0] === "datasets" || parts[0] === "models") {
    if (parts[0] !== `${type}s`) throw invalid;
    parts.shift();
  }
  // The path after the name on the hub's own pages: /tree/main, /blob/main/config.json, /viewer/default/train, …
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
    return ""; // not a name
  }
}

/** The usual notation: "owner/name" or "datasets/owner/name", with the revision unless it is the default. */
export function placeName({ type, name, revision }: HubPlace): string {
  const full = type === "dataset" ? `datasets/${name}` : name;
  return revision === "main" || revision === CONVERTED ? full : `${full}@${revision}`;
}
