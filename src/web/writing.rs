//! Texts and answers, token by token.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, from_js, thrown, to_js};
use crate::chat;

#[wasm_bindgen]
impl Session {
    #[wasm_bindgen(js_name = beginGeneration)]
    pub fn begin_generation(
        &mut self,
        prompt: &str,
        #[wasm_bindgen(unchecked_param_type = "GenerateOptions")] options: JsValue,
    ) -> Thrown<()> {
        self.0.begin_generation(prompt, from_js(options)?).map_err(thrown)
    }

    #[wasm_bindgen(js_name = beginChat, unchecked_return_type = "LeftOut")]
    pub fn begin_chat(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue,
        #[wasm_bindgen(unchecked_param_type = "GenerateOptions")] options: JsValue,
    ) -> Thrown<JsValue> {
        let messages: Vec<chat::Message> = from_js(messages)?;
        answer(self.0.begin_chat(&messages, from_js(options)?))
    }

    #[wasm_bindgen(js_name = leftOut, unchecked_return_type = "LeftOut")]
    pub fn left_out(&self) -> Thrown<JsValue> {
        to_js(&self.0.left_out())
    }

    #[wasm_bindgen(js_name = nextToken)]
    pub async fn next_token(&mut self) -> Thrown<Option<String>> {
        self.0.next_token().await.map_err(thrown)
    }

    #[wasm_bindgen(js_name = endGeneration)]
    pub fn end_generation(&mut self) -> String {
        self.0.end_generation()
    }

    pub async fn logits(&self, ids: Vec<u32>) -> Thrown<Float32Array> {
        let logits = self.0.logits(&ids).await.map_err(thrown)?;
        Ok(Float32Array::from(&logits[..]))
    }
}
