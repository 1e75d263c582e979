//! Methods that generate texts and answers, token by token.

use js_sys::Float32Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, from_js, seconds, thrown, to_js};
use crate::{chat, session::GenerateOptions};

#[wasm_bindgen]
impl Session {
    /// Starts a generation that continues `prompt`, on the engine that will be faster at it.
    #[wasm_bindgen(js_name = beginGeneration)]
    pub async fn begin_generation(
        &mut self,
        prompt: String,
        #[wasm_bindgen(unchecked_param_type = "GenerateOptions")] options: JsValue,
    ) -> Thrown<()> {
        let options: GenerateOptions = from_js(options)?;
        // No token is shorter than a byte.
        self.choose_writer(prompt.len(), options.max_tokens).await?;
        self.0.begin_generation(&prompt, options).map_err(thrown)
    }

    /// Starts a generation that continues token ids.
    #[wasm_bindgen(js_name = beginGenerationAfter)]
    pub async fn begin_generation_after(
        &mut self,
        ids: Vec<u32>,
        #[wasm_bindgen(unchecked_param_type = "GenerateOptions")] options: JsValue,
    ) -> Thrown<()> {
        let options: GenerateOptions = from_js(options)?;
        self.choose_writer(ids.len(), options.max_tokens).await?;
        self.0.begin_generation_after(&ids, options).map_err(thrown)
    }

    /// Starts the answer to a conversation that ends with a message of the user, and returns which part of the
    /// conversation does not fit into the context.
    #[wasm_bindgen(js_name = beginChat, unchecked_return_type = "LeftOut")]
    pub async fn begin_chat(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "ChatMessage[]")] messages: JsValue,
        #[wasm_bindgen(unchecked_param_type = "GenerateOptions")] options: JsValue,
    ) -> Thrown<JsValue> {
        let messages: Vec<chat::Message> = from_js(messages)?;
        let options: GenerateOptions = from_js(options)?;
        self.choose_writer(messages.iter().map(|message| message.content.len()).sum(), options.max_tokens).await?;
        answer(self.0.begin_chat(&messages, options))
    }

    /// Returns the seconds that a token takes on each engine, or null if that has not been measured.
    #[wasm_bindgen(js_name = writingTimes, unchecked_return_type = "WritingTimes | null")]
    pub fn writing_times(&self) -> Thrown<JsValue> {
        to_js(&self.0.writing_times())
    }

    /// Returns which part of the conversation the model does not see any more.
    #[wasm_bindgen(js_name = leftOut, unchecked_return_type = "LeftOut")]
    pub fn left_out(&self) -> Thrown<JsValue> {
        to_js(&self.0.left_out())
    }

    /// Draws the next token and returns the text that it completes, which is empty in the middle of a character, or
    /// undefined at the end of the text.
    #[wasm_bindgen(js_name = nextToken)]
    pub async fn next_token(&mut self) -> Thrown<Option<String>> {
        self.0.next_token().await.map_err(thrown)
    }

    /// Ends the generation and returns the rest of its text.
    #[wasm_bindgen(js_name = endGeneration)]
    pub fn end_generation(&mut self) -> String {
        self.0.end_generation()
    }

    /// Returns the logits `[vocabulary]` after the last of `ids`, of which the model reads the last context.
    pub async fn logits(&self, ids: Vec<u32>) -> Thrown<Float32Array> {
        let logits = self.0.logits(&ids).await.map_err(thrown)?;
        Ok(Float32Array::from(&logits[..]))
    }
}

impl Session {
    async fn choose_writer(&mut self, read: usize, write: usize) -> Thrown<()> {
        self.0.choose_writer(read, write, seconds).await.map_err(thrown)
    }
}
