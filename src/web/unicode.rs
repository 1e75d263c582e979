//! Calls the browser's own Unicode functions, so that their tables need not be downloaded: legacy encodings and normal
//! forms.

use js_sys::{JsString, Object, Reflect};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = TextDecoder)]
    type Decoder;
    #[wasm_bindgen(constructor, js_class = "TextDecoder", catch)]
    fn new(label: &str) -> Result<Decoder, JsValue>;
    #[wasm_bindgen(method, js_class = "TextDecoder", catch)]
    fn decode(this: &Decoder, bytes: &[u8], options: &Object) -> Result<String, JsValue>;
}

/// A `TextDecoder`, which keeps an incomplete character at the end of a piece.
pub struct TextDecoder(Option<Decoder>);

impl TextDecoder {
    /// Makes a decoder for an encoding by its label in the Encoding Standard; an empty one if the browser does not know
    /// it.
    pub fn new(label: &str) -> Self {
        Self(Decoder::new(label).ok())
    }

    /// Decodes the next bytes; invalid ones become U+FFFD.
    pub fn decode(&mut self, bytes: &[u8], last: bool) -> String {
        let options = Object::new();
        let _ = Reflect::set(&options, &"stream".into(), &(!last).into());
        let decoded = self.0.as_ref().and_then(|decoder| decoder.decode(bytes, &options).ok());
        // Browsers refuse no bytes, and know every label of the standard.
        decoded.unwrap_or_else(|| bytes.iter().map(|_| char::REPLACEMENT_CHARACTER).collect())
    }
}

/// Converts a text to the normal form NFC: a letter and its accent as one character.
pub fn nfc(text: &str) -> String {
    JsString::from(text).normalize("NFC").into()
}

/// Converts a text to the normal form NFD: a letter and its accent as separate characters.
pub fn nfd(text: &str) -> String {
    JsString::from(text).normalize("NFD").into()
}
