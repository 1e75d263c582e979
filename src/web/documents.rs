//! Methods for answers from documents.

use wasm_bindgen::prelude::*;

use super::{Session, Thrown, from_js, thrown};
use crate::chat;

#[wasm_bindgen]
impl Session {
    /// Returns the documents of the source with this index as text; `limit`: the most bytes in all.
    #[wasm_bindgen(js_name = documentsOf)]
    pub fn documents_of(&self, index: usize, limit: usize) -> Vec<String> {
        self.0.documents_of(index, limit)
    }

    /// Ends the open file and returns its documents, which are not added to the text; `limit`: the most bytes in all.
    #[wasm_bindgen(js_name = takeFile)]
    pub fn take_file(&mut self, limit: usize) -> Thrown<Vec<String>> {
        self.0.take_file(limit).map_err(thrown)
    }

    /// Returns how many token ids the context has left beside the system message, the last message, and room for an
    /// answer of `maxTokens` ids; negative if they do not fit.
    #[wasm_bindgen(js_name = roomBeside)]
    pub fn room_beside(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue,
        #[wasm_bindgen(js_name = maxTokens)] max_tokens: usize,
    ) -> Thrown<f64> {
        let messages: Vec<chat::Message> = from_js(messages)?;
        Ok(self.0.room_beside(&messages, max_tokens).map_err(thrown)? as f64)
    }
}
