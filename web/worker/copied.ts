// Runs searches of the training text piece by piece, so that training and generation continue in between.
import type { CopiedSearch, NearestSearch, Session } from "lorito-wasm";
import { type Guarded, macrotask } from "./turns";

/** Returns the result of a search; undefined if no training text is known. */
export async function searched<S extends CopiedSearch | NearestSearch>(
  session: Guarded<Session>,
  begin: (session: Session) => S | undefined,
): Promise<ReturnType<S["result"]> | undefined> {
  const search = await session.use(begin);
  if (!search) return undefined;
  try {
    while (await session.use(() => search.read())) await macrotask();
    return await session.use(() => search.result() as ReturnType<S["result"]>);
  } finally {
    search.free();
  }
}
