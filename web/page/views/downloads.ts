// Downloads models and runs as files, and finds which of them the system's share sheet accepts.
import type { RunSummary } from "../../api/lorito";
import { endings } from "../../shared/endings";
import type { ExportKind } from "../../shared/protocol";
import { currentLanguage } from "../i18n";
import { canShare, fileName, saveFile } from "../save-file";
import type { Store } from "../state";

/** Whether this system's share sheet accepts files of each kind. */
export const sharable = Object.fromEntries(
  Object.entries(endings).map(([kind, ending]) => [kind, canShare(ending)]),
) as Record<ExportKind, boolean>;

export async function download(store: Store, kind: ExportKind, name: string): Promise<void> {
  store.clearErrors("share");
  await store.attempt("share", { task: "packing" }, async () =>
    saveFile(await store.lorito.exportModel(kind, name, { language: currentLanguage() }), name + endings[kind]),
  );
}

/** Downloads a run as one file, `run` or the one in training, for when this browser cannot save it. */
export async function downloadRun(store: Store, run?: RunSummary): Promise<void> {
  const name = run ? fileName(`${run.textName.replace(/\.\w+$/, "")} ${run.step}`) : "run";
  await store.attempt(run ? "share" : "train", { task: "packing" }, async () =>
    saveFile(await store.lorito.downloadRun(run?.run), `${name}.lorito`),
  );
}
