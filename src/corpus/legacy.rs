//! Decodes legacy encodings, older than Unicode, with the platform's decoder.
//!
//! A browser supports all of them, so the page need not download their tables, of which those of Chinese, Japanese and
//! Korean alone exceed the rest of the first load's size limit. Native builds use `encoding_rs`, which implements the
//! same standard.

use super::decode::Full;
use super::encoding::Encoding;

/// Bytes decoded at a time.
const PIECE: usize = 1 << 20;

/// Decodes a whole text. Invalid bytes become U+FFFD.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<String, Full> {
    let mut text = String::new();
    text.try_reserve(bytes.len())?;
    let mut decoder = platform::Decoder::new(encoding);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(PIECE.min(rest.len()));
        let decoded = decoder.push(piece, after.is_empty());
        if text.capacity() - text.len() < decoded.len() {
            text.try_reserve(decoded.len().max(text.len() / 4))?;
        }
        text.push_str(&decoded);
        rest = after;
    }
    Ok(text)
}

#[cfg(target_arch = "wasm32")]
mod platform {
    use super::Encoding;
    use crate::web::TextDecoder;

    pub struct Decoder(TextDecoder);

    impl Decoder {
        pub fn new(encoding: Encoding) -> Self {
            Self(TextDecoder::new(&encoding.label()))
        }

        pub fn push(&mut self, bytes: &[u8], last: bool) -> String {
            self.0.decode(bytes, last)
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod platform {
    use super::Encoding;

    pub struct Decoder(encoding_rs::Decoder);

    impl Decoder {
        pub fn new(encoding: Encoding) -> Self {
            let label = encoding.label();
            let known = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::WINDOWS_1252);
            Self(known.new_decoder_without_bom_handling())
        }

        pub fn push(&mut self, bytes: &[u8], last: bool) -> String {
            let mut text = String::with_capacity(self.0.max_utf8_buffer_length(bytes.len()).unwrap_or(0));
            let _ = self.0.decode_to_string(bytes, &mut text, last);
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_across_two_pieces_is_decoded() {
        let (text, _, _) = encoding_rs::SHIFT_JIS.encode("灯");
        let long = [b"a".repeat(PIECE - 1), text.to_vec(), b"b".to_vec()].concat();
        assert!(decode(Encoding::ShiftJis, &long).unwrap().ends_with("a灯b"));
    }

    #[test]
    fn invalid_characters_are_replaced() {
        assert_eq!(decode(Encoding::ShiftJis, b"a\x81").unwrap(), "a\u{FFFD}");
        assert_eq!(decode(Encoding::Windows1251, b"\xCC\xE0\xFF\xEA").unwrap(), "Маяк");
        assert_eq!(decode(Encoding::Macintosh, b"").unwrap(), "");
    }
}
