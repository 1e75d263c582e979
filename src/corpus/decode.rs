//! Decodes bytes to text, in chunks of any size.
//!
//! UTF-16 is decoded chunk by chunk. Other encodings can only be detected from the whole file, so its bytes are kept;
//! valid UTF-8 then becomes the text in place, without a second copy.

use std::collections::TryReserveError;

use super::encoding::Encoding;
use super::newlines::{self, LineEnds, Newlines};
use super::{legacy, utf8, utf16};

/// The allocation of the text failed.
pub type Full = TryReserveError;

/// A text being decoded.
#[derive(Debug)]
pub struct Decoder {
    /// The encoding given by a byte order mark or by the user: invalid bytes are damage then.
    named: Option<Encoding>,
    state: State,
}

#[derive(Debug)]
enum State {
    Wide(Wide),
    Bytes(Bytes),
}

/// UTF-16, decoded chunk by chunk.
#[derive(Debug)]
struct Wide {
    encoding: Encoding,
    text: String,
    newlines: Newlines,
    /// The first bytes of a character that continues in the next chunk.
    carry: Vec<u8>,
    replaced: u64,
}

/// Bytes that are decoded once all are there.
#[derive(Debug, Default)]
struct Bytes {
    all: Vec<u8>,
    /// The number of CR and NUL bytes, which may be removed.
    vanishing: usize,
}

/// The decoded text.
#[derive(Debug)]
pub struct Decoded {
    pub text: String,
    pub encoding: Encoding,
    /// The encoding was neither given nor detected by a rule: it is the likeliest one.
    pub guessed: bool,
    /// Number of bytes and characters that became U+FFFD, or a character that their encoding does not define.
    pub replaced: u64,
    /// Number of NULs that were removed.
    pub nuls: u64,
    /// Parts of the text in other encodings.
    pub parts: Vec<Part>,
    /// The original line endings.
    pub line_ends: LineEnds,
}

/// Lines or other stretches of a text in another encoding than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub encoding: Encoding,
    pub count: u64,
}

impl Decoder {
    /// `named`: the encoding, if given by a byte order mark or by the user. Reserves `expected` bytes for the text.
    pub fn new(named: Option<Encoding>, expected: usize) -> Result<Self, Full> {
        let state = match named {
            Some(encoding) if encoding.is_wide() => {
                let mut text = String::new();
                text.try_reserve_exact(expected)?;
                State::Wide(Wide { encoding, text, newlines: Newlines::default(), carry: Vec::new(), replaced: 0 })
            }
            _ => {
                let mut all = Vec::new();
                all.try_reserve_exact(expected)?;
                State::Bytes(Bytes { all, vanishing: 0 })
            }
        };
        Ok(Self { named, state })
    }

    /// Lower estimate of the bytes of text so far.
    pub fn len(&self) -> usize {
        match &self.state {
            State::Wide(wide) => wide.text.len(),
            State::Bytes(bytes) => bytes.all.len() - bytes.vanishing,
        }
    }

    /// Decodes a chunk.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Full> {
        match &mut self.state {
            State::Wide(wide) => wide.push(chunk),
            State::Bytes(bytes) => {
                reserve(&mut bytes.all, chunk.len())?;
                bytes.vanishing += chunk.iter().filter(|&&byte| byte == b'\r' || byte == 0).count();
                bytes.all.extend_from_slice(chunk);
                Ok(())
            }
        }
    }

    pub fn finish(self) -> Result<Decoded, Full> {
        let mut decoded = match self.state {
            State::Wide(wide) => wide.finish()?,
            State::Bytes(bytes) => decode(self.named, bytes.all)?,
        };
        let before = decoded.text.len();
        if decoded.text.contains('\0') {
            decoded.text.retain(|character| character != '\0');
        }
        decoded.nuls += (before - decoded.text.len()) as u64;
        // Where the text is shorter than its file.
        decoded.text.shrink_to_fit();
        Ok(decoded)
    }
}

/// Reserves more bytes. Without a known size the capacity grows by quarters, because doubling would take up to three
/// times the text while it is copied.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<(), Full> {
    if bytes.capacity() - bytes.len() < more {
        bytes.try_reserve_exact(more.max(bytes.len() / 4))?;
    }
    Ok(())
}

impl Wide {
    fn push(&mut self, chunk: &[u8]) -> Result<(), Full> {
        if self.carry.is_empty() {
            return self.decode(chunk);
        }
        let mut joined = std::mem::take(&mut self.carry);
        joined.extend_from_slice(chunk);
        self.decode(&joined)
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.make_room(bytes.len())?;
        let (pairs, odd) = bytes.as_chunks::<2>();
        let unit = if self.encoding == Encoding::Utf16Be { u16::from_be_bytes } else { u16::from_le_bytes };
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
        Ok(())
    }

    /// Reserves memory: a character of two bytes can become one of three.
    fn make_room(&mut self, bytes: usize) -> Result<(), Full> {
        let most = 3 * bytes;
        if self.text.capacity() - self.text.len() < most {
            self.text.try_reserve_exact(most.max(self.text.len() / 4))?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Decoded, Full> {
        if !self.carry.is_empty() {
            self.make_room(1)?;
            self.newlines.push(&mut self.text, "\u{FFFD}");
            self.replaced += 1;
        }
        let line_ends = self.newlines.into_ends();
        Ok(Decoded { replaced: self.replaced, line_ends, ..Decoded::of(self.text, self.encoding) })
    }
}

impl Decoded {
    fn of(text: String, encoding: Encoding) -> Self {
        let line_ends = LineEnds::default();
        Self { text, encoding, guessed: false, replaced: 0, nuls: 0, parts: Vec::new(), line_ends }
    }

    /// Converts all line endings to LF.
    fn with_lf(self) -> Self {
        let (text, line_ends) = newlines::all_lf(self.text);
        Self { text, line_ends, ..self }
    }
}

/// Decodes bytes that are not UTF-16, all at once, and converts line endings to LF.
fn decode(named: Option<Encoding>, bytes: Vec<u8>) -> Result<Decoded, Full> {
    let as_utf8 = matches!(named, None | Some(Encoding::Utf8));
    if let (Some(encoding), false) = (named, as_utf8) {
        let text = legacy::decode(encoding, &bytes)?;
        let replaced = text.matches(char::REPLACEMENT_CHARACTER).count() as u64;
        return Ok(Decoded { replaced, ..Decoded::of(text, encoding).with_lf() });
    }
    let (bytes, nuls, wide) = without_nuls(bytes)?;
    let mut decoded = match String::from_utf8(bytes) {
        Ok(text) => Decoded::of(text, Encoding::Utf8),
        Err(error) => {
            let utf8::Mended { text, encoding, replaced, other } = utf8::mend(error.as_bytes(), named.is_some())?;
            let guessed = encoding != Encoding::Utf8;
            Decoded { guessed, replaced, parts: other.into_iter().collect(), ..Decoded::of(text, encoding) }
        }
    };
    decoded.parts.extend(wide);
    Ok(Decoded { nuls, ..decoded.with_lf() })
}

/// Removes and counts NULs, and converts parts in UTF-16 to UTF-8.
fn without_nuls(mut bytes: Vec<u8>) -> Result<(Vec<u8>, u64, Vec<Part>), Full> {
    let found = utf16::parts(&bytes);
    let mut wide: Vec<Part> = Vec::new();
    if let Some(&(_, encoding)) = found.first() {
        let mut joined = Vec::new();
        joined.try_reserve(bytes.len())?;
        let mut at = 0;
        for (range, encoding) in &found {
            joined.extend_from_slice(&bytes[at..range.start]);
            let text = utf16::decode(*encoding, &bytes[range.clone()]);
            joined.extend_from_slice(text.trim_start_matches('\u{FEFF}').as_bytes());
            at = range.end;
        }
        joined.extend_from_slice(&bytes[at..]);
        wide.push(Part { encoding, count: found.len() as u64 });
        bytes = joined;
    }
    let before = bytes.len();
    if bytes.contains(&0) {
        bytes.retain(|&byte| byte != 0);
    }
    let nuls = (before - bytes.len()) as u64;
    Ok((bytes, nuls, wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in chunks of several sizes and asserts equal results.
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
                (&other.text, other.encoding, other.guessed, other.replaced),
                (&whole.text, whole.encoding, whole.guessed, whole.replaced),
                "chunks of {size}"
            );
        }
        whole
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn valid_utf8_is_unchanged() {
        let text = "añil, 漢字, 🦜 العربية";
        let result = decoded(None, text.as_bytes());
        assert_eq!((result.text.as_str(), result.encoding, result.replaced), (text, Encoding::Utf8, 0));
    }

    #[test]
    fn utf16_is_decoded_in_both_byte_orders() {
        let text = "añil\r\n漢字\r🦜";
        let little = decoded(Some(Encoding::Utf16Le), &utf16(text, u16::to_le_bytes));
        let big = decoded(Some(Encoding::Utf16Be), &utf16(text, u16::to_be_bytes));
        assert_eq!(little.text, "añil\n漢字\n🦜");
        assert_eq!(big.text, little.text);
    }

    #[test]
    fn unpaired_surrogates_are_replaced() {
        let units: [u16; 6] = [0x61, 0xD83E, 0x62, 0xDD9C, 0xD83E, 0xD83E];
        let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_le_bytes).collect();
        let result = decoded(Some(Encoding::Utf16Le), &bytes);
        assert_eq!((result.text.as_str(), result.replaced), ("a\u{FFFD}b\u{FFFD}\u{FFFD}\u{FFFD}", 4));
        let odd = decoded(Some(Encoding::Utf16Be), b"\0a\0");
        assert_eq!((odd.text.as_str(), odd.replaced), ("a\u{FFFD}", 1));
    }

    #[test]
    fn a_late_invalid_byte_does_not_change_the_encoding_of_the_rest() {
        let mut bytes = "ASCII and ñ, which are two bytes\r\n".repeat(50).into_bytes();
        bytes.extend_from_slice(b"caf\xE9 \x80 5\r\nend");
        let result = decoded(None, &bytes);
        let expected = "ASCII and ñ, which are two bytes\n".repeat(50) + "café € 5\nend";
        assert_eq!((result.text, result.encoding, result.replaced), (expected, Encoding::Utf8, 2));
    }

    #[test]
    fn a_truncated_end_is_damage_in_utf8_and_a_letter_in_ascii() {
        let cut = decoded(None, b"a\xC3\xB1o, ni\xC3");
        assert_eq!((cut.text.as_str(), cut.encoding, cut.replaced), ("año, ni\u{FFFD}", Encoding::Utf8, 1));
        let letter = decoded(None, b"caf\xE9");
        assert_eq!((letter.text.as_str(), letter.guessed), ("café", true));
    }

    #[test]
    fn invalid_bytes_in_a_named_encoding_are_replaced() {
        let result = decoded(Some(Encoding::Utf8), b"a\xFFb\xE6\xBC!");
        assert_eq!((result.text.as_str(), result.replaced), ("a\u{FFFD}b\u{FFFD}!", 2));
        let latin = decoded(Some(Encoding::Windows1252), "ñ\r\n".as_bytes());
        assert_eq!((latin.text.as_str(), latin.guessed), ("Ã±\n", false));
        let greek = decoded(Some(Encoding::Windows1253), b"\xE1\xE2\xE3 \0");
        assert_eq!((greek.text.as_str(), greek.nuls), ("αβγ ", 1));
    }

    #[test]
    fn nuls_are_removed_and_parts_in_utf16_decoded() {
        let tail = utf16("añil – fin\r\n", u16::to_le_bytes);
        let bytes = [b"one\0 line\r\n".as_slice(), &tail, b"\0\0last\xC3\xB1"].concat();
        let result = decoded(None, &bytes);
        assert_eq!((result.text.as_str(), result.nuls), ("one line\nañil – fin\nlastñ", 3));
        assert_eq!(result.parts, [Part { encoding: Encoding::Utf16Le, count: 1 }]);
        let wide = decoded(Some(Encoding::Utf16Be), &utf16("a\0b", u16::to_be_bytes));
        assert_eq!((wide.text.as_str(), wide.nuls), ("ab", 1));
    }
}
