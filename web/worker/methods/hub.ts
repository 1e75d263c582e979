// Implements the calls about the Hugging Face hub's files; hub/ is loaded with the first of them.
import { part } from "../../shared/part";
import type { WorkerApi } from "../../shared/protocol";
import { underWay } from "../engine";

export const hub = {
  hubDataset: (call, place) =>
    underWay.watch(call, async ({ signal }) => (await part(import("../hub/dataset"))).datasetAt(place, signal)),

  hubFiles: (call, place, commit, files) =>
    underWay.watch(call, async (watch) =>
      (await part(import("../hub/transfer"))).transfer(place, commit, files, watch),
    ),

  sendToHub: (call, sending) =>
    underWay.watch(call, async (watch) => (await part(import("../hub/send"))).send(sending, watch)),

  keptRepos: async () => (await part(import("../hub/cache"))).keptRepos(),

  forgetRepo: async (key) => (await part(import("../hub/cache"))).forgetRepo(key),
} satisfies Partial<WorkerApi>;
