//! The JavaScript binding for embeddings of texts.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, thrown};

#[wasm_bindgen]
impl Session {
    /// The embedding of a text, of length 1; see `session::Session::embed`.
    pub async fn embed(&self, text: String) -> Thrown<Float32Array> {
        self.0.embed(&text).await.map(|embedding| Float32Array::from(&embedding[..])).map_err(thrown)
    }
}
