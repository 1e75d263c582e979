// Creates instances of the public API. Importing it does nothing and sets nothing: the page sets `window.lorito` itself.
import type { Host, LoritoOptions } from "./host";
import { Lorito } from "./lorito";

/** Creates an instance with a worker of its own, which starts at once; `ready` resolves once its engine runs. */
export function createLorito({ engine, workers = "auto", storage = false, ...host }: LoritoOptions & Host): Lorito {
  return new Lorito({ ...host, engine, workers, storage });
}
