import { availableParallelism } from "node:os";

/** Does `work` with each of a list, as many at once as there are processors. */
export async function inParallel(list, work) {
  const left = list.values();
  const worker = async () => {
    for (const one of left) await work(one);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
