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
    /// Begins to read a text file. `expectedBytes`: its length, 0 if unknown; `field`: the column or field with the
    /// text.
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

    /// Reads the next bytes of the open file.
    #[wasm_bindgen(js_name = pushBytes)]
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Thrown<()> {
        self.0.push_bytes(bytes).map_err(thrown)
    }

    /// Notes that `count` parts of the open file, a document, are not in its text.
    #[wasm_bindgen(js_name = noteLeftOut)]
    pub fn note_left_out(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "DocumentPart")] kind: JsValue,
        count: f64,
    ) -> Thrown<()> {
        self.0.note_left_out(from_js(kind)?, count as u64).map_err(thrown)
    }

    /// Adds the text of the open file, in place of the source with the index `replaces` if given.
    #[wasm_bindgen(js_name = closeFile, unchecked_return_type = "TextSummary")]
    pub fn close_file(&mut self, replaces: Option<usize>) -> Thrown<JsValue> {
        answer(self.0.close_file_at(replaces.unwrap_or(usize::MAX)))
    }

    /// Drops the open file; nothing of it is added.
    #[wasm_bindgen(js_name = dropFile)]
    pub fn drop_file(&mut self) {
        self.0.drop_file();
    }

    /// Guesses the field of these JSON Lines that holds the text; undefined: whole lines are the text.
    #[wasm_bindgen(js_name = likelyField)]
    pub fn likely_field(&self, lines: &str) -> Option<String> {
        corpus::likely_field(lines)
    }

    /// Whether a text with this beginning is a chat export of WhatsApp.
    #[wasm_bindgen(js_name = looksLikeChat)]
    pub fn looks_like_chat(&self, start: &str) -> bool {
        let (text, ends) = corpus::all_lf(start.to_owned());
        whatsapp::looks_like(&text, &ends)
    }

    /// Returns the number of first lines that `likelyField` reads.
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

    /// Chooses how the validation data is held back.
    #[wasm_bindgen(js_name = holdBack, unchecked_return_type = "TextSummary")]
    pub fn hold_back(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "HeldBack")] held_back: JsValue,
    ) -> Thrown<JsValue> {
        to_js(&self.0.hold_back(from_js(held_back)?))
    }

    /// Returns the size, the sources and the split of the text.
    #[wasm_bindgen(js_name = textSummary, unchecked_return_type = "TextSummary")]
    pub fn text_summary(&self) -> Thrown<JsValue> {
        to_js(&self.0.text_summary())
    }

    /// Returns the BPE vocabulary size that suits this text.
    #[wasm_bindgen(js_name = suggestedVocabulary)]
    pub fn suggested_vocabulary(&self) -> usize {
        self.0.suggested_vocabulary()
    }

    /// Trains a tokenizer on the text. `vocabulary`: tokens of BPE; the suggested number by default.
    #[wasm_bindgen(js_name = trainTokenizer, unchecked_return_type = "TokenizerSummary")]
    pub fn train_tokenizer(
        &mut self,
        #[wasm_bindgen(unchecked_param_type = "TokenizerKind")] kind: JsValue,
        vocabulary: Option<usize>,
    ) -> Thrown<JsValue> {
        answer(self.0.train_tokenizer(from_js(kind)?, vocabulary))
    }

    /// Returns the tokenizer and the number of tokens of the text; null if there is no tokenizer.
    #[wasm_bindgen(js_name = tokenizerSummary, unchecked_return_type = "TokenizerSummary | null")]
    pub fn tokenizer_summary(&mut self) -> Thrown<JsValue> {
        answer(self.0.tokenizer_summary())
    }

    /// Cuts a text into tokens, for display.
    #[wasm_bindgen(js_name = previewTokens, unchecked_return_type = "Piece[]")]
    pub fn preview_tokens(&self, text: &str) -> Thrown<JsValue> {
        answer(self.0.preview_tokens(text))
    }

    /// Returns the characters of a text that the tokenizer has no token for.
    #[wasm_bindgen(js_name = unknownCharacters)]
    pub fn unknown_characters(&self, text: &str) -> Thrown<String> {
        self.0.unknown_characters(text).map_err(thrown)
    }

    /// Returns the characters of a text that the model's tokenizer has no token for.
    #[wasm_bindgen(js_name = unknownToModel)]
    pub fn unknown_to_model(&self, text: &str) -> Thrown<String> {
        self.0.unknown_to_model(text).map_err(thrown)
    }

    /// Returns the loss mask of a text: 1 for each token that counts as a target, else 0.
    #[wasm_bindgen(js_name = lossMaskOf)]
    pub fn loss_mask_of(&self, text: &str) -> Thrown<Vec<u8>> {
        let learned = self.0.loss_mask_of(text).map_err(thrown)?;
        Ok(learned.into_iter().map(u8::from).collect())
    }

    /// Adds the turn tokens of the chat template to a model without them, if the text has conversations.
    #[wasm_bindgen(js_name = addTurnTokens)]
    pub async fn add_turn_tokens(&mut self) -> Thrown<bool> {
        self.0.add_turn_tokens().await.map_err(thrown)
    }

    /// Encodes a text as token ids.
    pub fn encode(&self, text: &str) -> Thrown<Uint32Array> {
        self.0.encode(text).map(|ids| Uint32Array::from(&ids[..])).map_err(thrown)
    }

    /// Decodes token ids to text.
    pub fn decode(&self, ids: &[u32]) -> Thrown<String> {
        self.0.decode(ids).map_err(thrown)
    }
}
