// Loads the crate's wasm and reports to the page.
import init from "lorito-wasm";

await init();
postMessage("ready");
