// Finds a dataset's tables by its hub name, as Parquet files. The hub converts every dataset that it can read to Parquet,
// on a separate branch; without such a branch, the dataset's own Parquet files are used.
import { type Problem, problemOf } from "../../shared/errors";
import { CONVERTED, hostOf } from "../../shared/hub/place";
import type { HubDataset, HubPlace } from "../../shared/hub/types";
import { commitOf, filesOf } from "./ask";
import { tablesOf } from "./tables";

export async function datasetAt(place: HubPlace, signal: AbortSignal): Promise<HubDataset> {
  // That branch belongs to the newest commit; any other revision was requested explicitly.
  const branch = place.revision === "main" ? { ...place, revision: CONVERTED } : place;
  const found = await tablesAt(branch, signal);
  if (found.tables.length > 0) return found;
  const own = branch === place ? found : await tablesAt(place, signal);
  if (own.tables.length > 0) return own;
  throw { code: "hub-no-parquet", name: place.name, host: hostOf(place) } satisfies Problem;
}

async function tablesAt(place: HubPlace, signal: AbortSignal): Promise<HubDataset> {
  try {
    const commit = await commitOf(place, signal);
    return { place, commit, tables: tablesOf(await filesOf(place, commit, true, signal)) };
  } catch (thrown) {
    const { code } = problemOf(thrown);
    const isMissing = code === "hub-revision-not-found" || code === "hub-not-found";
    if (place.revision !== CONVERTED || !isMissing) throw thrown;
    return { place, commit: "", tables: [] };
  }
}
