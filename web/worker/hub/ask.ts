// Requests to a hub: the commit of a revision, its list of files, and their addresses. They are made by the hub's own
// library without the user's credentials, and failures are converted to Problems.
import { datasetInfo, listFiles, modelInfo } from "@huggingface/hub";
import type { Problem } from "../../shared/errors";
import { hostOf } from "../../shared/hub/place";
import type { HubFile, HubPlace } from "../../shared/hub/types";
import { unlessSilent } from "../silence";

/** Largest number of entries: dataset repositories may have more files and folders than can be listed. */
const mostEntries = 20_000;
/** Largest number of requests for a list: its pages may be empty. */
const mostPages = 400;

/** Options of every request: it reveals neither this page nor its user, and bypasses the browser's cache. */
export const anonymous: RequestInit = { credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store" };

/** A `fetch` that is restricted to this hub and throws on error responses. */
export function asker(place: HubPlace, signal: AbortSignal): typeof fetch {
  let pages = 0;
  return async (input, init) => {
    pages += 1;
    if (pages > mostPages) throw unexpected(place);
    // The hub chooses the address of a list's next page, but the user has agreed to this hub only.
    if (!String(input).startsWith(`${place.hub}/`)) throw unexpected(place);
    const silent = () => new Error("no answer");
    const asked = fetch(input, { ...init, ...anonymous, signal });
    const response = await unlessSilent(asked, silent).catch((thrown) => {
      throw unreachable(place, signal, thrown);
    });
    if (!response.ok) throw refused(place, response);
    return response;
  };
}

/** The error for a missing response. */
export function unreachable(place: HubPlace, signal: AbortSignal, thrown: unknown): Problem {
  if (signal.aborted) return { code: "cancelled" };
  return { code: "hub-unreachable", host: hostOf(place), reason: String(thrown) };
}

/** The error for a failed response. A hub may hide whether a repository is private or does not exist. */
export function refused(place: HubPlace, { status, headers }: Response): Problem {
  const { name, revision } = place;
  const about = { name, host: hostOf(place), status };
  const code = headers.get("x-error-code");
  if (code === "RevisionNotFound") return { code: "hub-revision-not-found", ...about, revision };
  if (status === 404 || code === "RepoNotFound") return { code: "hub-not-found", ...about };
  if (status === 401 || status === 403) return { code: "hub-forbidden", ...about };
  return { code: "hub-failed", ...about };
}

export async function commitOf(place: HubPlace, signal: AbortSignal): Promise<string> {
  const { hub, name, revision } = place;
  const asked = { name, revision, hubUrl: hub, fetch: asker(place, signal) };
  return understood(place, signal, async () => {
    const { sha } =
      place.type === "model"
        ? await modelInfo({ ...asked, additionalFields: ["sha"] })
        : await datasetInfo({ ...asked, additionalFields: ["sha"] });
    if (!/^[0-9a-f]{40}$/.test(sha)) throw unexpected(place);
    return sha;
  });
}

export function filesOf(place: HubPlace, commit: string, recursive: boolean, signal: AbortSignal): Promise<HubFile[]> {
  const { type, name, hub } = place;
  const asked = { repo: { type, name }, revision: commit, hubUrl: hub, recursive, fetch: asker(place, signal) };
  return understood(place, signal, async () => {
    const files: HubFile[] = [];
    let entries = 0;
    for await (const { type: kind, path, size, oid, lfs } of listFiles(asked)) {
      entries += 1;
      if (entries > mostEntries) break;
      if (kind !== "file") continue;
      if (typeof path !== "string" || path.split("/").some((part) => /^\.{0,2}$/.test(part))) continue;
      const file = { path, bytes: lfs?.size ?? size, hash: lfs?.oid ?? oid ?? "" };
      if (!Number.isSafeInteger(file.bytes) || file.bytes < 0 || typeof file.hash !== "string") throw unexpected(place);
      files.push(file);
    }
    return files;
  });
}

/** Calls the hub's library; a response that it cannot parse is an error. */
async function understood<T>(place: HubPlace, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (signal.aborted) throw { code: "cancelled" } satisfies Problem;
    throw thrown instanceof Error ? unexpected(place) : thrown;
  }
}

/** The address of a file in a commit; its content never changes. */
export function addressOf({ hub, type, name }: HubPlace, commit: string, path: string): string {
  const inside = path.split("/").map(encodeURIComponent).join("/");
  return `${hub}/${type === "model" ? "" : "datasets/"}${name}/resolve/${commit}/${inside}`;
}

function unexpected(place: HubPlace): Problem {
  return { code: "hub-failed", name: place.name, host: hostOf(place), status: 200 };
}
