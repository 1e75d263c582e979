//! The deferred module: code that is downloaded once it is needed. web/build/split.mjs splits it off.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Loads the deferred module, synchronously; see web/worker/deferred.ts.
    #[wasm_bindgen(js_namespace = globalThis, js_name = loadDeferred)]
    fn load();
}

/// Loads the deferred module; the stubs of its functions call this.
#[wasm_bindgen(js_name = loadDeferred)]
pub fn load_deferred() {
    load();
}
