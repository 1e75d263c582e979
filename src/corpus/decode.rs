//! Bytes in chunks of any size to text: UTF-8, UTF-16 or Windows-1252.

use std::collections::TryReserveError;

use serde::{Deserialize, Serialize};

use super::newlines::{LineEnds, Newlines};
use super::windows1252;

/// The encodings that are read, named as in the WHATWG Encoding Standard (and so in JavaScript's `TextDecoder`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
    #[serde(rename = "windows-1252")]
    Windows1252,
}

impl Encoding {
    /// The encoding whose byte order mark opens the file.
    pub fn of_mark(head: &[u8]) -> Option<Self> {
        [Self::Utf8, Self::Utf16Le, Self::Utf16Be].into_iter().find(|encoding| head.starts_with(encoding.mark()))
    }

    /// Its byte order mark.
    pub fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8 => b"\xEF\xBB\xBF",
            Self::Utf16Le => b"\xFF\xFE",
            Self::Utf16Be => b"\xFE\xFF",
            Self::Windows1252 => b"",
        }
    }
}

/// No memory for the text.
pub type Full = TryReserveError;

/// A text under construction.
#[derive(Debug)]
pub struct Decoder {
    encoding: Encoding,
    /// A mark or a person named the encoding, so what does not fit it is damage. Otherwise UTF-8 is only a guess.
    named: bool,
    text: String,
    newlines: Newlines,
    /// The first bytes of a character whose others are in the next chunk.
    carry: Vec<u8>,
    replaced: u64,
}

/// A finished text.
#[derive(Debug)]
pub struct Decoded {
    pub text: String,
    pub encoding: Encoding,
    /// The bytes were not the UTF-8 they were taken for.
    pub fell_back: bool,
    /// Characters that became U+FFFD.
    pub replaced: u64,
    /// How its lines ended.
    pub line_ends: LineEnds,
}

impl Decoder {
    /// `named`: the encoding, where a mark or a person says so. Memory for `expected` bytes of text is taken at once.
    pub fn new(named: Option<Encoding>, expected: usize) -> Result<Self, Full> {
        let mut text = String::new();
        text.try_reserve_exact(expected)?;
        Ok(Self {
            encoding: named.unwrap_or(Encoding::Utf8),
            named: named.is_some(),
            text,
            newlines: Newlines::default(),
            carry: Vec::new(),
            replaced: 0,
        })
    }

    /// Bytes of text so far.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Decodes a chunk. What is left of a character at its end waits for the next.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Full> {
        if self.carry.is_empty() {
            return self.decode(chunk);
        }
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(chunk);
        self.decode(&joined)
    }

    pub fn finish(mut self) -> Result<Decoded, Full> {
        let cut = std::mem::take(&mut self.carry);
        if !cut.is_empty() {
            self.make_room(cut.len())?;
            // A text in UTF-8 up to a last character that is cut is damaged UTF-8. But if that is the only character
            // beyond ASCII, nothing speaks for UTF-8.
            if self.named || !self.text.is_ascii() {
                self.replace();
            } else {
                self.fall_back()?;
                self.windows1252(&cut);
            }
        }
        // Where the text is shorter than its file.
        self.text.shrink_to_fit();
        let fell_back = !self.named && self.encoding == Encoding::Windows1252;
        let line_ends = self.newlines.into_ends();
        Ok(Decoded { text: self.text, encoding: self.encoding, fell_back, replaced: self.replaced, line_ends })
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.make_room(bytes.len())?;
        match self.encoding {
            Encoding::Utf8 => self.utf8(bytes)?,
            Encoding::Utf16Le => self.utf16(bytes, u16::from_le_bytes),
            Encoding::Utf16Be => self.utf16(bytes, u16::from_be_bytes),
            Encoding::Windows1252 => self.windows1252(bytes),
        }
        Ok(())
    }

    fn utf8(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            self.newlines.push(&mut self.text, chunk.valid());
            at += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let begun = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if begun && at + invalid.len() == bytes.len() {
                self.carry.extend_from_slice(invalid);
            } else if self.named {
                self.replace();
            } else {
                self.fall_back()?;
                self.make_room(bytes.len() - at)?;
                self.windows1252(&bytes[at..]);
                return Ok(());
            }
            at += invalid.len();
        }
        Ok(())
    }

    fn utf16(&mut self, bytes: &[u8], unit: fn([u8; 2]) -> u16) {
        let (pairs, odd) = bytes.as_chunks::<2>();
        // The high half of a surrogate pair waits for the low one.
        let high = pairs.last().is_some_and(|&last| (0xD800..0xDC00).contains(&unit(last)));
        let (whole, waiting) = pairs.split_at(pairs.len() - usize::from(high));
        self.carry.extend_from_slice(waiting.as_flattened());
        self.carry.extend_from_slice(odd);
        let mut replaced = 0;
        let piece: String = char::decode_utf16(whole.iter().map(|&pair| unit(pair)))
            .map(|character| {
                character.unwrap_or_else(|_| {
                    replaced += 1;
                    char::REPLACEMENT_CHARACTER
                })
            })
            .collect();
        self.replaced += replaced;
        self.newlines.push(&mut self.text, &piece);
    }

    fn windows1252(&mut self, bytes: &[u8]) {
        let piece: String = bytes.iter().map(|&byte| windows1252::decode(byte)).collect();
        self.newlines.push(&mut self.text, &piece);
    }

    fn replace(&mut self) {
        self.newlines.push(&mut self.text, "\u{FFFD}");
        self.replaced += 1;
    }

    fn fall_back(&mut self) -> Result<(), Full> {
        self.encoding = Encoding::Windows1252;
        windows1252::decode_again(&mut self.text)
    }

    /// Makes room for the text of so many bytes, each of which can become a character of three. Where the size was not
    /// foretold the room grows by quarters, as doubling would hold up to three times the text while it moves.
    fn make_room(&mut self, bytes: usize) -> Result<(), Full> {
        let most = 3 * bytes;
        if self.text.capacity() - self.text.len() < most {
            self.text.try_reserve_exact(most.max(self.text.len() / 4))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in chunks of several sizes, which must all agree.
    fn decoded(named: Option<Encoding>, bytes: &[u8]) -> Decoded {
        let in_chunks = |size: usize| {
            let mut decoder = Decoder::new(named, 0).unwrap();
            bytes.chunks(size).for_each(|chunk| decoder.push(chunk).unwrap());
            decoder.finish().unwrap()
        };
        let whole = in_chunks(bytes.len().max(1));
        for size in [1, 2, 3, 5, 7] {
            let other = in_chunks(size);
            assert_eq!(
                (&other.text, other.encoding, other.fell_back, other.replaced),
                (&whole.text, whole.encoding, whole.fell_back, whole.replaced),
                "chunks of {size}"
            );
        }
        whole
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf8_is_kept() {
        let text = "añil, 漢字, 🦜 العربية";
        let result = decoded(None, text.as_bytes());
        assert_eq!((result.text.as_str(), result.encoding, result.replaced), (text, Encoding::Utf8, 0));
    }

    #[test]
    fn utf16_in_both_orders() {
        let text = "añil\r\n漢字\r🦜";
        let little = decoded(Some(Encoding::Utf16Le), &utf16(text, u16::to_le_bytes));
        let big = decoded(Some(Encoding::Utf16Be), &utf16(text, u16::to_be_bytes));
        assert_eq!(little.text, "añil\n漢字\n🦜");
        assert_eq!(big.text, little.text);
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced() {
        let units: [u16; 6] = [0x61, 0xD83E, 0x62, 0xDD9C, 0xD83E, 0xD83E];
        let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        let result = decoded(Some(Encoding::Utf16Le), &bytes);
        assert_eq!((result.text.as_str(), result.replaced), ("a\u{FFFD}b\u{FFFD}\u{FFFD}\u{FFFD}", 4));
        let odd = decoded(Some(Encoding::Utf16Be), b"\0a\0");
        assert_eq!((odd.text.as_str(), odd.replaced), ("a\u{FFFD}", 1));
    }

    #[test]
    fn a_late_byte_that_is_not_utf8_makes_all_windows_1252() {
        let mut bytes = "ASCII and ñ, which are two bytes\r\n".repeat(50).into_bytes();
        bytes.extend_from_slice(b"caf\xE9 \x80 5\r\nend");
        let result = decoded(None, &bytes);
        let expected: String = bytes.iter().map(|&byte| windows1252::decode(byte)).collect();
        assert_eq!(result.text, expected.replace("\r\n", "\n"));
        assert!(result.fell_back && result.text.ends_with("café € 5\nend"));
    }

    #[test]
    fn a_cut_end_is_damage_in_utf8_and_a_letter_in_ascii() {
        let cut = decoded(None, b"a\xC3\xB1o, ni\xC3");
        assert_eq!((cut.text.as_str(), cut.encoding, cut.replaced), ("año, ni\u{FFFD}", Encoding::Utf8, 1));
        let letter = decoded(None, b"caf\xE9");
        assert_eq!((letter.text.as_str(), letter.fell_back), ("café", true));
    }

    #[test]
    fn damage_in_a_named_encoding_is_replaced() {
        let result = decoded(Some(Encoding::Utf8), b"a\xFFb\xE6\xBC!");
        assert_eq!((result.text.as_str(), result.replaced), ("a\u{FFFD}b\u{FFFD}!", 2));
        let latin = decoded(Some(Encoding::Windows1252), "ñ".as_bytes());
        assert_eq!((latin.text.as_str(), latin.fell_back), ("Ã±", false));
    }

    #[test]
    fn names_are_those_of_javascript() {
        assert_eq!(serde_json::to_value(Encoding::Windows1252).unwrap(), "windows-1252");
        assert_eq!(serde_json::from_str::<Encoding>("\"utf-16le\"").unwrap(), Encoding::Utf16Le);
    }
}
