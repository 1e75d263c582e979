// Chooses the fastest kernels for this GPU: measured on the first visit, stored for later ones. If the browser does not
// identify the GPU (Firefox never does), it may have changed, and each visit measures.
import type { KernelChoice, Session } from "lorito-wasm";
import { trying, warmUp } from "./shaders";
import { folder, writeFile } from "./storage";
import type { Guarded } from "./turns";

/** Increase when the kernels or their measurement change. */
const version = 4;

interface Kept {
  /** The GPU, browser and `version` of the measurement. */
  of: string;
  choice: KernelChoice;
}

/** Makes the session use the fastest kernels; `gpu`: its name, if the browser reveals it. */
export async function useFastestKernels(session: Guarded<Session>, gpu: string | undefined): Promise<void> {
  const of = `${version} ${gpu} ${navigator.userAgent}`;
  const kept = gpu === undefined ? undefined : await read();
  if (kept?.of === of) return session.use((idle) => idle.chooseKernels(kept.choice));
  const { compiled } = await session.use((idle) => warmUp(() => idle.warmUpKernels()));
  await compiled;
  const choice = await session.use((idle) => trying(() => idle.measureKernels()));
  if (gpu !== undefined) await write({ of, choice });
}

async function read(): Promise<Kept | undefined> {
  try {
    const file = await (await folder("kernels")).getFileHandle("choice.json");
    return JSON.parse(await (await file.getFile()).text());
  } catch {
    return undefined; // never measured, no storage, or an incomplete write: it will be measured
  }
}

async function write(kept: Kept): Promise<void> {
  try {
    await writeFile(await folder("kernels"), "choice.json", new TextEncoder().encode(JSON.stringify(kept)));
  } catch {
    // Without storage the next visit measures again.
  }
}
