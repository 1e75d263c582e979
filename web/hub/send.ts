// A model on its way to the hub, in the person's own name. Their token goes with the requests to that hub and nowhere
// else. Runs in the worker.
import { createRepo, HubApiError, modelInfo, uploadFilesWithProgress } from "@huggingface/hub";
import { type Problem, problemOf } from "../errors";
import type { HubSending } from "../protocol";
import { hostOf } from "./place";
import type { Watch } from "./transfer";
import type { HubPlace } from "./types";

/** Makes the repository if there is none, and puts the files into it in one commit; the address of its page. */
export async function send(
  { place, files, token, isPrivate }: HubSending,
  { signal, progress }: Watch,
): Promise<string> {
  const { hub, name, revision } = place;
  const repo = { type: "model", name } as const;
  const asked = { repo, accessToken: token, hubUrl: hub };
  try {
    signal.throwIfAborted();
    await createRepo({ ...asked, visibility: isPrivate ? "private" : "public" }).catch(async (thrown) => {
      if (!(thrown instanceof HubApiError && thrown.statusCode === 409)) throw thrown;
      // It is there already. What was meant for few must not get where all can see it.
      const { private: hidden } = await modelInfo({ name, accessToken: token, hubUrl: hub });
      if (isPrivate && !hidden) throw { code: "hub-is-public", name, host: hostOf(place) } satisfies Problem;
    });
    signal.throwIfAborted();
    const total = files.reduce((sum, { data }) => sum + data.size, 0);
    const parts = new Map<string, number>();
    const steps = uploadFilesWithProgress({
      ...asked,
      branch: revision,
      files: files.map(({ name: path, data }) => ({ path, content: data })),
      commitTitle: "A model trained with Lorito",
      abortSignal: signal,
      useXet: false, // its chunks need another 130 KB of WebAssembly; every hub takes files whole
    });
    for await (const step of steps) {
      if (step.event !== "fileProgress" || step.state !== "uploading") continue;
      parts.set(step.path, step.progress);
      const sent = files.reduce((sum, { name: path, data }) => sum + data.size * (parts.get(path) ?? 0), 0);
      progress(Math.round(sent), total);
    }
    progress(total, total);
    return `${hub}/${name}`;
  } catch (thrown) {
    throw refusal(place, signal, thrown);
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
  const isNetwork = thrown instanceof TypeError || (thrown instanceof Error && thrown.message === "");
  return isNetwork ? { code: "hub-unreachable", ...about, reason: String(thrown) } : problemOf(thrown);
}
