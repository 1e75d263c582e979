// Uploads a model to the hub as the owner of a token. The token is sent only with requests to that hub.
import { createRepo, HubApiError, modelInfo, uploadFiles } from "@huggingface/hub";
import { type Problem, problemOf } from "../../shared/errors";
import { hostOf } from "../../shared/hub/place";
import type { HubPlace } from "../../shared/hub/types";
import type { HubSending } from "../../shared/protocol";
import type { Watch } from "../under-way";
import { anonymous } from "./ask";

/** Creates the repository if needed, and uploads the files in one commit; returns the address of its page. */
export async function send({ place, files, token, isPrivate }: HubSending, watch: Watch): Promise<string> {
  const { hub, name, revision } = place;
  const { signal, progress } = watch;
  const total = files.reduce((sum, { data }) => sum + data.size, 0);
  const sender = new Sender(place, signal, (sent) => progress(Math.min(sent, total), total));
  const asked = { accessToken: token, hubUrl: hub, fetch: sender.fetch };
  try {
    const repo = { type: "model", name } as const;
    await createRepo({ ...asked, repo, visibility: isPrivate ? "private" : "public" }).catch(async (thrown) => {
      if (!(thrown instanceof HubApiError && thrown.statusCode === 409)) throw thrown;
      // The repository exists. A model meant to be private must not be uploaded to a public one.
      const { private: hidden } = await modelInfo({ ...asked, name });
      if (isPrivate && !hidden) throw { code: "hub-is-public", name, host: hostOf(place) } satisfies Problem;
    });
    await uploadFiles({
      ...asked,
      repo,
      branch: revision,
      files: files.map(({ name: path, data }) => ({ path, content: data })),
      commitTitle: "A model trained with Lorito",
      abortSignal: signal,
      useXet: false, // its chunks need another 130 KB of WebAssembly; every hub accepts whole files
    });
    progress(total, total);
    return `${hub}/${name}`;
  } catch (thrown) {
    throw refusal(place, signal, thrown);
  }
}

/** Makes the requests, and counts the uploaded bytes of large files. */
class Sender {
  readonly #place: HubPlace;
  readonly #signal: AbortSignal;
  readonly #progress: (sent: number) => void;
  #sent = 0;

  constructor(place: HubPlace, signal: AbortSignal, progress: (sent: number) => void) {
    this.#place = place;
    this.#signal = signal;
    this.#progress = progress;
  }

  readonly fetch: typeof fetch = async (input, init = {}) => {
    this.#signal.throwIfAborted();
    const url = String(input);
    const headers = new Headers(init.headers);
    // Large files are uploaded to the hub's storage, at presigned addresses that need no token.
    if (!url.startsWith(`${this.#place.hub}/`)) headers.delete("authorization");
    if (init.method === "PUT" && init.body instanceof Blob) return this.#put(url, headers, init.body);
    return fetch(url, { ...init, ...anonymous, headers, signal: this.#signal });
  };

  /** Uses XMLHttpRequest, as `fetch` reports no upload progress. */
  #put(url: string, headers: Headers, body: Blob): Promise<Response> {
    const request = new XMLHttpRequest();
    const end = () => request.abort();
    let counted = 0;
    this.#signal.addEventListener("abort", end);
    const answer = new Promise<Response>((resolve, reject) => {
      request.upload.onprogress = ({ loaded }) => {
        this.#sent += loaded - counted;
        counted = loaded;
        this.#progress(this.#sent);
      };
      request.onload = () => {
        // The final request must list the ETags of all parts.
        const tag = request.getResponseHeader("etag");
        resolve(new Response(request.response || null, { status: request.status, headers: tag ? { etag: tag } : {} }));
      };
      request.onerror = () => reject(new TypeError(`no answer from ${new URL(url).host}`));
      request.onabort = () => reject(new DOMException("ended", "AbortError"));
    });
    request.open("PUT", url);
    headers.forEach((value, name) => {
      request.setRequestHeader(name, value);
    });
    request.send(body);
    return answer.finally(() => this.#signal.removeEventListener("abort", end));
  }
}

function refusal(place: HubPlace, signal: AbortSignal, thrown: unknown): Problem {
  const about = { name: place.name, host: hostOf(place) };
  if (signal.aborted) return { code: "cancelled", kind: "sending" };
  if (thrown instanceof HubApiError) {
    const { statusCode: status } = thrown;
    if (status === 401) return { code: "hub-token-refused", ...about };
    if (status === 403) return { code: "hub-not-yours", ...about };
    return { code: "hub-failed", ...about, status };
  }
  return thrown instanceof TypeError
    ? { code: "hub-unreachable", ...about, reason: String(thrown) }
    : problemOf(thrown);
}
