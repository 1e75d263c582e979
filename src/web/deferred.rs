//! The deferred module: code that is downloaded once it is needed. web/build/split.mjs splits it off.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// Loads it before it returns; see web/worker/deferred.ts.
    #[wasm_bindgen(js_namespace = globalThis, js_name = loadDeferred)]
    fn load();
}

/// Loads the deferred part; the stubs that stand for its functions call this.
#[wasm_bindgen(js_name = loadDeferred)]
pub fn load_deferred() {
    load();
}
