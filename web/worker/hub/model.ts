// Fetches a model by its hub name.
import type { Problem } from "../../shared/errors";
import type { HubFile, HubPlace } from "../../shared/hub/types";
import type { HubTransfer, NamedFile } from "../../shared/protocol";
import type { Watch } from "../under-way";
import { indexAmong, longestIndex, namesInIndex, passedOverNotice } from "../weights";
import { commitOf, filesOf } from "./ask";
import { forgetPlace, Shelf } from "./cache";
import { neededFiles, weightsOf } from "./needed";
import { smallFile, transfer } from "./transfer";

/** The files that the weight index names, where it is needed. It is read first, as it decides which files to store. */
async function indexOf(place: HubPlace, commit: string, all: readonly HubFile[], signal: AbortSignal) {
  const name = indexAmong(all.map(({ path }) => path));
  const index = all.find(({ path }) => path === name);
  if (!index || index.bytes > longestIndex) return undefined;
  return namesInIndex(await (await smallFile(place, commit, index, signal)).text());
}

/** Fetches a model's files. If they are all stored, no request is made. */
export async function fetchModel(place: HubPlace, watch: Watch): Promise<HubTransfer & { notices: Problem[] }> {
  const kept = await Shelf.at(place)
    .then((shelf) => shelf.all())
    .catch(() => undefined);
  if (kept) return { files: kept.map(({ file, data }) => ({ name: file.path, data })), unkept: undefined, notices: [] };
  const commit = await commitOf(place, watch.signal);
  const all = await filesOf(place, commit, false, watch.signal);
  const indexed = await indexOf(place, commit, all, watch.signal);
  const needed = neededFiles(place, all, indexed);
  const arrived = async (file: NamedFile) => {
    await watch.arrived?.(file).catch(async (thrown) => {
      // A model that cannot be opened is not kept; without storage there is nothing to delete.
      await forgetPlace(place).catch(() => {});
      throw thrown;
    });
  };
  const notices = passedOverNotice(weightsOf(all, indexed));
  return { ...(await transfer(place, commit, needed, { ...watch, arrived })), notices };
}
