//! JavaScript bindings for inspecting the model.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, thrown};

#[wasm_bindgen]
impl Session {
    /// Inspects how the model reads a prompt and the text after it, token by token.
    #[wasm_bindgen(unchecked_return_type = "Inspection")]
    pub async fn inspect(&mut self, prompt: String, written: String) -> Thrown<JsValue> {
        answer(self.0.inspect(&prompt, &written).await)
    }

    /// The attention weights of the inspected text, `[layers, heads, tokens, tokens]`.
    #[wasm_bindgen(js_name = inspectedAttention)]
    pub fn inspected_attention(&self) -> Thrown<Float32Array> {
        self.0.inspected_attention().map(Float32Array::from).map_err(thrown)
    }

    /// The logit lens after a token of the inspected text.
    #[wasm_bindgen(unchecked_return_type = "LensRow[]")]
    pub fn lens(&self, position: usize) -> Thrown<JsValue> {
        answer(self.0.lens(position))
    }

    /// Frees the memory of the inspected text.
    #[wasm_bindgen(js_name = forgetInspection)]
    pub fn forget_inspection(&mut self) {
        self.0.forget_inspection();
    }

    /// The map of the model's tokens.
    #[wasm_bindgen(js_name = tokenMap, unchecked_return_type = "TokenMap")]
    pub async fn token_map(&self) -> Thrown<JsValue> {
        answer(self.0.token_map().await)
    }

    /// The tokens whose embeddings are most similar to that of a token.
    #[wasm_bindgen(js_name = nearestTokens, unchecked_return_type = "NearToken[]")]
    pub async fn nearest_tokens(&self, id: u32) -> Thrown<JsValue> {
        answer(self.0.nearest_tokens(id).await)
    }

    /// The run's next step, stage by stage, computed by a copy of the model.
    #[wasm_bindgen(js_name = slowMotion, unchecked_return_type = "SlowMotion")]
    pub async fn slow_motion(&self) -> Thrown<JsValue> {
        answer(self.0.slow_motion().await)
    }
}
