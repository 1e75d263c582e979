//! Parts of the module that are downloaded once they are needed: web/build/split.mjs splits them off.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Loads the deferred module, synchronously; see web/worker/wasm-parts.ts.
    #[wasm_bindgen(js_namespace = globalThis, js_name = loadDeferred)]
    fn fetch_deferred();

    /// Loads the module of the GPU's engine, synchronously.
    #[wasm_bindgen(js_namespace = globalThis, js_name = loadGpu)]
    fn fetch_gpu();
}

/// Loads the deferred module; the stubs of its functions call this.
#[wasm_bindgen(js_name = loadDeferred)]
pub fn load_deferred() {
    fetch_deferred();
}

/// Loads the module of the GPU's engine; the stubs of its functions call this.
#[wasm_bindgen(js_name = loadGpu)]
pub fn load_gpu() {
    fetch_gpu();
}
