//! Methods for text and tokenizer.

use js_sys::Uint32Array;
use wasm_bindgen::prelude::*;

use super::{Session, Thrown, answer, from_js, thrown, to_js};
use crate::{
    chat::whatsapp::{self, ChatOptions},
    corpus::{self, ReadOptions},
};

#[wasm_bindgen]
impl Session {
    /// Begins a text file. `expectedBytes`: its length, 0 if that is unknown; `field`: the column or field to read.
    #[wasm_bindgen(js_name = openFile)]
    pub fn open_file(
        &mut self,
        name: &str,
        #[wasm_bindgen(js_name = expectedBytes)] expected: f64,
        field: Option<String>,
        #[wasm_bindgen(unchecked_param_type = "ChatOptions | undefined")] chat: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Encoding | undefined")] encoding: JsValue,
    ) -> Thrown<()> {
        let chat = if chat.is_undefined() { ChatOptions::default() } else { from_js(chat)? };
        let encoding = if encoding.is_undefined() { None } else { Some(from_js(encoding)?) };
        let options = ReadOptions { field, expected_bytes: expected as u64, chat, encoding, ..ReadOptions::default() };
        self.0.open_file_with(name, options);
        Ok(())
    }

    /// Takes the next bytes of the file that is open.
    #[wasm_bindgen(js_name = pushBytes)]
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Thrown<()> {
        self.0.push_bytes(bytes).map_err(thrown)
    }

    /// Adds the text of the file that is open, in the place of the source with the index `replaces` if one is given.
    #[wasm_bindgen(js_name = closeFile, unchecked_return_type = "TextSummary")]
    pub fn close_file(&mut self, replaces: Option<usize>) -> Thrown<JsValue> {
        answer(self.0.close_file_at(replaces.unwrap_or(usize::MAX)))
    }

    /// Ends the file that is open; nothing of it is added.
    #[wasm_bindgen(js_name = dropFile)]
    pub fn drop_file(&mut self) {
        self.0.drop_file();
    }

    /// Which field of these JSON lines holds the text, where nobody says; undefined: whole lines count.
    #[wasm_bindgen(js_name = likelyField)]
    pub fn likely_field(&self, lines: &str) -> Option<String> {
        corpus::likely_field(lines)
    }

    /// Whether a text that begins so is a chat that WhatsApp has exported.
    #[wasm_bindgen(js_name = looksLikeChat)]
    pub fn looks_like_chat(&self, start: &str) -> bool {
        let (text, ends) = corpus::all_lf(start.to_owned());
        whatsapp::looks_like(&text, &ends)
    }

    /// How many of the first lines count for that.
    #[wasm_bindgen(js_name = likelyFieldLines)]
    pub fn likely_field_lines(&self) -> usize {
        corpus::SAMPLE
    }

    /// Removes the source with this index.
    #[wasm_bindgen(js_name = removeSource, unchecked_return_type = "TextSummary")]
    pub fn remove_source(&mut self, index: usize) -> Thrown<JsValue> {
        to_js(&self.0.remove_source(index))
    }

    /// Removes all sources.
    #[wasm_bindgen(js_name = clearText)]
    pub fn clear_text(&mut self) {
        self.0.clear_text();
    }

    /// Chooses how the validation text is held back.
    #[wasm_bindgen(js_name = holdBack, unchecked_return_type = "TextSummary")]
    pub fn hold_back(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "HeldBack")] held_back: JsValue,
    ) -> Thrown<JsValue> {
        to_js(&self.0.hold_back(from_js(held_back)?))
    }

    /// What is known of the whole text.
    #[wasm_bindgen(js_name = textSummary, unchecked_return_type = "TextSummary")]
    pub fn text_summary(&self) -> Thrown<JsValue> {
        to_js(&self.0.text_summary())
    }

    /// How many tokens suit a BPE vocabulary for this text.
    #[wasm_bindgen(js_name = suggestedVocabulary)]
    pub fn suggested_vocabulary(&self) -> usize {
        self.0.suggested_vocabulary()
    }

    /// Makes a tokenizer for the text. `vocabulary`: tokens of BPE; the suggested number if it is not given.
    #[wasm_bindgen(js_name = trainTokenizer, unchecked_return_type = "TokenizerSummary")]
    pub fn train_tokenizer(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "TokenizerKind")] kind: JsValue,
        vocabulary: Option<usize>,
    ) -> Thrown<JsValue> {
        answer(self.0.train_tokenizer(from_js(kind)?, vocabulary))
    }

    /// What the tokenizer makes of the text; null if there is none.
    #[wasm_bindgen(js_name = tokenizerSummary, unchecked_return_type = "TokenizerSummary | null")]
    pub fn tokenizer_summary(&mut self) -> Thrown<JsValue> {
        answer(self.0.tokenizer_summary())
    }

    /// How the tokenizer cuts a text.
    #[wasm_bindgen(js_name = previewTokens, unchecked_return_type = "Piece[]")]
    pub fn preview_tokens(&self, text: &str) -> Thrown<JsValue> {
        answer(self.0.preview_tokens(text))
    }

    /// The characters of a text that the tokenizer has no token for.
    #[wasm_bindgen(js_name = unknownCharacters)]
    pub fn unknown_characters(&self, text: &str) -> Thrown<String> {
        self.0.unknown_characters(text).map_err(thrown)
    }

    /// The characters of a text that the model's tokenizer has no token for.
    #[wasm_bindgen(js_name = unknownToModel)]
    pub fn unknown_to_model(&self, text: &str) -> Thrown<String> {
        self.0.unknown_to_model(text).map_err(thrown)
    }

    /// Whether each token of a text would be learned (1) or only read (0).
    #[wasm_bindgen(js_name = lossMaskOf)]
    pub fn loss_mask_of(&self, text: &str) -> Thrown<Vec<u8>> {
        let learned = self.0.loss_mask_of(text).map_err(thrown)?;
        Ok(learned.into_iter().map(u8::from).collect())
    }

    /// Gives a model that knows no conversations the tokens for their turns, where the text holds some.
    #[wasm_bindgen(js_name = addTurnTokens)]
    pub async fn add_turn_tokens(&mut self) -> Thrown<bool> {
        self.0.add_turn_tokens().await.map_err(thrown)
    }

    /// The token ids of a text.
    pub fn encode(&self, text: &str) -> Thrown<Uint32Array> {
        self.0.encode(text).map(|ids| Uint32Array::from(&ids[..])).map_err(thrown)
    }

    /// The text of token ids.
    pub fn decode(&self, ids: &[u32]) -> Thrown<String> {
        self.0.decode(ids).map_err(thrown)
    }
}
