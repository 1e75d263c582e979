//! The bytes of every token; decodes ids to text, at once or as a stream.

use std::sync::Arc;

use crate::error::{Error, Result};

/// The bytes of each id, in one buffer, because thousands of small vectors would take several times the memory.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    bytes: Vec<u8>,
    /// The end of each token in the buffer.
    ends: Vec<u32>,
}

impl Tokens {
    pub fn push(&mut self, token: &[u8]) {
        self.bytes.extend_from_slice(token);
        self.ends.push(self.bytes.len() as u32);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, id: u32) -> Result<&[u8]> {
        let index = id as usize;
        let end = *self.ends.get(index).ok_or(Error::TokenOutOfRange { id, vocabulary: self.len() })?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Ok(&self.bytes[start as usize..end as usize])
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).filter_map(|id| self.get(id).ok())
    }

    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.get(id)?);
        }
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    /// A token for display: bytes that are not a whole character are written as `<0xC3>`.
    pub fn text(&self, id: u32) -> String {
        let mut text = String::new();
        for chunk in self.get(id).unwrap_or_default().utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|byte| format!("<0x{byte:02X}>")));
        }
        text
    }
}

/// Decodes ids one at a time. The returned texts, with that of [`finish`](Self::finish), equal the decoding of all ids
/// at once; a character is returned with its last byte.
#[derive(Debug, Clone)]
pub struct StreamDecoder {
    tokens: Arc<Tokens>,
    /// The beginning of a character, at most 3 bytes, kept between two calls.
    pending: Vec<u8>,
}

impl StreamDecoder {
    pub(super) fn new(tokens: Arc<Tokens>) -> Self {
        Self { tokens, pending: Vec::new() }
    }

    /// Adds an id and returns the text that it completes, which is empty in the middle of a character.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if the id is outside the vocabulary.
    pub fn push(&mut self, id: u32) -> Result<String> {
        self.pending.extend_from_slice(self.tokens.get(id)?);
        let mut text = String::new();
        let mut read = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            read += chunk.valid().len();
            let invalid = chunk.invalid();
            let is_last = read + invalid.len() == self.pending.len();
            if is_last && may_go_on(invalid) {
                break;
            }
            if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
                read += invalid.len();
            }
        }
        self.pending.drain(..read);
        Ok(text)
    }

    /// Returns the remaining text: empty, or one U+FFFD for an incomplete character.
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.pending).into_owned()
    }
}

/// Whether further bytes could complete a character.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Arc<Tokens> {
        let mut tokens = Tokens::default();
        for byte in 0..=255 {
            tokens.push(&[byte]);
        }
        Arc::new(tokens)
    }

    fn stream(tokens: &Arc<Tokens>, ids: &[u32]) -> Vec<String> {
        let mut decoder = StreamDecoder::new(tokens.clone());
        let mut pieces: Vec<_> = ids.iter().map(|&id| decoder.push(id).unwrap()).collect();
        pieces.push(decoder.finish());
        pieces
    }

    #[test]
    fn a_character_is_decoded_with_its_last_byte() {
        let ids = [0xC3, 0xB1, 0xF0, 0x9F, 0xA6, 0x9C];
        assert_eq!(stream(&bytes(), &ids), ["", "ñ", "", "", "", "🦜", ""]);
    }

    #[test]
    fn invalid_bytes_are_decoded_the_same_as_a_stream_and_at_once() {
        let tokens = bytes();
        // All pairs and triples of relevant bytes: leads, tails, surrogates, overlong and too large ones.
        let odd = [0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC0, 0xC3, 0xE0, 0xE1, 0xED, 0xF0, 0xF4, 0xF5, 0xFF];
        for a in odd {
            for b in odd {
                for c in odd {
                    for d in odd {
                        let ids = [a, b, c, d];
                        assert_eq!(stream(&tokens, &ids).concat(), tokens.decode(&ids).unwrap(), "{ids:x?}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_id_outside_the_vocabulary_is_refused_and_a_partial_character_is_shown_as_bytes() {
        let tokens = bytes();
        assert_eq!(tokens.decode(&[256]), Err(Error::TokenOutOfRange { id: 256, vocabulary: 256 }));
        assert!(StreamDecoder::new(tokens.clone()).push(u32::MAX).is_err());
        assert_eq!(tokens.text(0xC3), "<0xC3>");
        assert_eq!(tokens.text(0x41), "A");
        assert_eq!(tokens.text(300), "");
    }
}
