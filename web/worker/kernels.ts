// The kernels that are fastest on this GPU: measured on the first visit, kept for the next ones. Where the browser does not
// tell which GPU this is (Firefox never does), another one may be in use by then, and each visit measures.
import type { KernelChoice, Session } from "lorito-wasm";
import { trying, warmUp } from "./shaders";
import { folder, writeFile } from "./storage";
import type { Guarded } from "./turns";

/** To be raised when the kernels change, or how they are measured. */
const version = 3;

interface Kept {
  /** GPU, browser and `version`: what the measurement holds for. */
  of: string;
  choice: KernelChoice;
}

/** Has the session use the fastest kernels; `gpu`: its name, if the browser tells. */
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
    return undefined; // never measured, no storage, or a write that was cut off: it will be measured
  }
}

async function write(kept: Kept): Promise<void> {
  try {
    await writeFile(await folder("kernels"), "choice.json", new TextEncoder().encode(JSON.stringify(kept)));
  } catch {
    // Without storage the next visit measures again.
  }
}
