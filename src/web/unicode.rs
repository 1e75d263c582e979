//! What a browser knows of text anyway, for those who would otherwise bring tables: older encodings.

use web_sys::{TextDecodeOptions, TextDecoder as Decoder};

/// A `TextDecoder`, which keeps what is left of a character at the end of a piece.
pub struct TextDecoder(Option<Decoder>);

impl TextDecoder {
    pub fn new(label: &str) -> Self {
        Self(Decoder::new_with_label(label).ok())
    }

    /// The text of the next bytes; what stands for no character becomes U+FFFD.
    pub fn decode(&mut self, bytes: &[u8], last: bool) -> String {
        let options = TextDecodeOptions::new();
        options.set_stream(!last);
        let decoded =
            self.0.as_ref().and_then(|decoder| decoder.decode_with_u8_array_and_options(bytes, &options).ok());
        // Browsers refuse no bytes, and know every label of the standard.
        decoded.unwrap_or_else(|| bytes.iter().map(|_| char::REPLACEMENT_CHARACTER).collect())
    }
}
