//! Decodes text that is mostly UTF-8, so that a stray byte does not change the encoding of the whole.
//!
//! Counting decides. If characters of several bytes clearly outnumber stray bytes, the text is UTF-8 with some damage.
//! Otherwise it is split into stretches, mostly lines, each of which is UTF-8 or in a legacy encoding: so two joined
//! files are both decoded correctly.

use super::decode::{Full, Part};
use super::encoding::Encoding;
use super::{guess, legacy, windows1252};

/// Ratio of characters of several bytes to stray bytes from which a text counts as UTF-8.
const CLEARLY: u64 = 10;

/// In a legacy encoding one in this many stray bytes is valid UTF-8 by chance.
const BY_CHANCE: u64 = 50;
const BY_CHANCE_OF_SEVERAL_BYTES: u64 = 4;

/// Length in bytes after which a stretch without line ends is split at a space.
const STRETCH: usize = 512;

/// Bytes of stretches that are not UTF-8 from which their encoding is guessed.
const SAMPLE: usize = 32 << 10;

/// A repaired text that was not entirely UTF-8.
#[derive(Debug)]
pub struct Mended {
    pub text: String,
    /// The encoding of the larger part.
    pub encoding: Encoding,
    /// Stray bytes that became their Windows-1252 character or U+FFFD, and bytes that are undefined in the legacy
    /// encoding.
    pub replaced: u64,
    /// The smaller part.
    pub other: Option<Part>,
}

/// A piece of the bytes.
enum Piece<'b> {
    Text(&'b str),
    /// A character written as a surrogate pair of three bytes each (CESU-8), as by older databases.
    Pair(char),
    /// Invalid bytes.
    Stray(&'b [u8]),
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    /// Number of characters of several bytes.
    letters: u64,
    /// Number of invalid bytes, apart from truncated characters.
    strays: u64,
    /// Number of truncated characters: their first bytes alone.
    cut: u64,
}

/// Decodes bytes that are not entirely UTF-8; `named` if a byte order mark or the user says they are.
pub fn mend(bytes: &[u8], named: bool) -> Result<Mended, Full> {
    let all = count(bytes);
    let is_utf8 = named || (all.letters > 0 && all.letters >= CLEARLY * all.strays);
    if is_utf8 {
        let mut text = room_for(bytes)?;
        let replaced = stretches(bytes).map(|stretch| push_mended(&mut text, stretch)).sum();
        return Ok(Mended { text, encoding: Encoding::Utf8, replaced, other: None });
    }
    let older = guess::encoding(&sample(bytes));
    let by_chance = if older.is_multibyte() { BY_CHANCE_OF_SEVERAL_BYTES } else { BY_CHANCE };
    if all.letters * by_chance < all.strays || all.letters == 0 {
        let text = legacy::decode(older, bytes)?;
        return Ok(Mended { replaced: replacements(&text), text, encoding: older, other: None });
    }
    joined(bytes, older)
}

/// Decodes each stretch as UTF-8 or in a legacy encoding.
fn joined(bytes: &[u8], older: Encoding) -> Result<Mended, Full> {
    let mut text = room_for(bytes)?;
    let (mut replaced, mut utf8, mut legacy) = (0, Share::default(), Share::default());
    for stretch in stretches(bytes) {
        let Count { letters, strays, cut } = count(stretch);
        text.try_reserve(3 * stretch.len())?;
        if strays > 0 && strays >= letters {
            let decoded = legacy::decode(older, stretch)?;
            replaced += replacements(&decoded);
            text.push_str(&decoded);
            legacy.add(stretch);
        } else {
            replaced += push_mended(&mut text, stretch);
            if letters + strays + cut > 0 {
                utf8.add(stretch);
            }
        }
    }
    let (encoding, other, part) = match legacy.bytes > utf8.bytes {
        true => (older, Encoding::Utf8, utf8.stretches),
        false => (Encoding::Utf8, older, legacy.stretches),
    };
    let other = (part > 0).then_some(Part { encoding: other, count: part });
    Ok(Mended { text, encoding, replaced, other })
}

#[derive(Debug, Default)]
struct Share {
    bytes: usize,
    stretches: u64,
}

impl Share {
    fn add(&mut self, stretch: &[u8]) {
        self.bytes += stretch.len();
        self.stretches += 1;
    }
}

fn room_for(bytes: &[u8]) -> Result<String, Full> {
    let mut text = String::new();
    text.try_reserve(bytes.len() + bytes.len() / 16)?;
    Ok(text)
}

fn replacements(text: &str) -> u64 {
    text.matches(char::REPLACEMENT_CHARACTER).count() as u64
}

/// Calls `visit` with the pieces of bytes, in order.
fn each_piece<'b>(bytes: &'b [u8], mut visit: impl FnMut(Piece<'b>)) {
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        if !chunk.valid().is_empty() {
            visit(Piece::Text(chunk.valid()));
        }
        rest = &rest[chunk.valid().len()..];
        let invalid = match (surrogate(rest), rest.get(3..).and_then(surrogate)) {
            (Some(high @ 0xD800..0xDC00), Some(low @ 0xDC00..0xE000)) => {
                let code = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
                visit(Piece::Pair(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)));
                rest = &rest[6..];
                continue;
            }
            (Some(_), _) => 3,
            _ => chunk.invalid().len(),
        };
        if invalid > 0 {
            visit(Piece::Stray(&rest[..invalid]));
        }
        rest = &rest[invalid..];
    }
}

/// A surrogate encoded in three bytes.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    match *bytes.first_chunk()? {
        [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF] => {
            Some(0xD000 | u16::from(second & 0x3F) << 6 | u16::from(third & 0x3F))
        }
        _ => None,
    }
}

/// Whether these are the first bytes of a truncated character.
fn is_cut(stray: &[u8], is_last: bool) -> bool {
    stray.len() > 1 || (is_last && stray[0] >= 0xC2)
}

fn count(bytes: &[u8]) -> Count {
    let mut count = Count::default();
    let mut left = bytes.len();
    each_piece(bytes, |piece| match piece {
        Piece::Text(text) => {
            count.letters += text.bytes().filter(|&byte| byte >= 0xC0).count() as u64;
            left -= text.len();
        }
        Piece::Pair(_) => left -= 6,
        Piece::Stray(stray) => {
            left -= stray.len();
            *if is_cut(stray, left == 0) { &mut count.cut } else { &mut count.strays } += 1;
        }
    });
    // A single truncated character at the end of ASCII is no evidence of UTF-8.
    if count.letters == 0 {
        count.strays += std::mem::take(&mut count.cut);
    }
    count
}

/// Splits bytes into lines with their endings; long lines into parts that end with a space.
fn stretches(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let end = rest.iter().enumerate().position(|(at, &byte)| byte == b'\n' || (at >= STRETCH && byte == b' '));
        let (stretch, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
        rest = after;
        (!stretch.is_empty()).then_some(stretch)
    })
}

/// A sample of the stretches that are not UTF-8.
fn sample(bytes: &[u8]) -> Vec<u8> {
    let mut sample = Vec::new();
    for stretch in stretches(bytes) {
        if std::str::from_utf8(stretch).is_err() {
            sample.extend_from_slice(stretch);
        }
        if sample.len() >= SAMPLE {
            break;
        }
    }
    sample
}

/// Appends a stretch of UTF-8; returns the number of repaired characters.
fn push_mended(text: &mut String, stretch: &[u8]) -> u64 {
    if let Ok(whole) = std::str::from_utf8(stretch) {
        text.push_str(whole);
        return 0;
    }
    let letters = count(stretch).letters;
    let (mut mended, mut left) = (0, stretch);
    each_piece(stretch, |piece| match piece {
        Piece::Text(whole) => {
            text.push_str(whole);
            left = &left[whole.len()..];
        }
        Piece::Pair(character) => {
            text.push(character);
            left = &left[6..];
            mended += 1;
        }
        Piece::Stray(stray) => {
            left = &left[stray.len()..];
            let before = text.chars().next_back();
            text.push(character_of(stray, letters == 0, before, left.first().copied()));
            mended += 1;
        }
    });
    mended
}

/// The Windows-1252 character of a stray byte, where that is likely: for quotation marks and dashes, and for letters in
/// a stretch without others (`alone`) and without truncated characters. Otherwise U+FFFD.
fn character_of(stray: &[u8], alone: bool, before: Option<char>, after: Option<u8>) -> char {
    let [byte] = *stray else { return char::REPLACEMENT_CHARACTER };
    let capitals = before.is_some_and(char::is_uppercase) || after.is_some_and(|byte| byte.is_ascii_uppercase());
    let likely = match byte {
        0x80 | 0x82 | 0x84 | 0x85 | 0x91..=0x97 | 0x99 => true,
        // First bytes of most two-byte characters in Western texts: more likely a truncated one than a letter.
        0xC2 | 0xC3 => alone && capitals,
        0xFF => false,
        0xA1..=0xFE => alone && after.is_some(),
        _ => false,
    };
    if likely { windows1252::decode(byte) } else { char::REPLACEMENT_CHARACTER }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FISH: &str = "Al caer la tarde, Íñigo bajó al río.\n";

    fn latin(text: &str) -> Vec<u8> {
        encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
    }

    fn mended(bytes: &[u8]) -> (String, Encoding, u64, Option<(Encoding, u64)>) {
        let Mended { text, encoding, replaced, other } = mend(bytes, false).unwrap();
        (text, encoding, replaced, other.map(|part| (part.encoding, part.count)))
    }

    #[test]
    fn a_text_with_a_few_stray_bytes_is_utf8() {
        let bytes = [FISH.repeat(20).as_bytes(), b"It\x92s caf\xE9 \x80 5, \xA1s\xED!\nni\xC3 \xFF\n"].concat();
        let expected = FISH.repeat(20) + "It’s café € 5, ¡sí!\nni\u{FFFD} \u{FFFD}\n";
        assert_eq!(mended(&bytes), (expected, Encoding::Utf8, 7, None));
    }

    #[test]
    fn surrogate_pairs_in_utf8_are_decoded_and_unpaired_ones_are_replaced() {
        let bytes = [FISH.as_bytes(), b"a \xED\xA0\xBD\xED\xB1\x89 b \xED\xA0\xBD c"].concat();
        assert_eq!(mended(&bytes), (FISH.to_owned() + "a 👉 b \u{FFFD} c", Encoding::Utf8, 2, None));
    }

    #[test]
    fn each_truncated_character_becomes_one_replacement_character() {
        let bytes = [FISH.repeat(3).as_bytes(), b"un \xE2\x80 y \xF0\x9F\xA6 y ni\xC3"].concat();
        assert_eq!(mended(&bytes), (FISH.repeat(3) + "un \u{FFFD} y \u{FFFD} y ni\u{FFFD}", Encoding::Utf8, 3, None));
    }

    #[test]
    fn two_joined_files_are_both_decoded() {
        for (utf8, older, encoding) in [(60, 40, Encoding::Utf8), (40, 60, Encoding::Windows1252)] {
            let bytes = [FISH.repeat(utf8).into_bytes(), latin(&FISH.repeat(older))].concat();
            let (other, count) = match encoding {
                Encoding::Utf8 => (Encoding::Windows1252, older as u64),
                _ => (Encoding::Utf8, utf8 as u64),
            };
            assert_eq!(mended(&bytes), (FISH.repeat(100), encoding, 0, Some((other, count))));
        }
    }

    #[test]
    fn one_long_line_is_split_into_stretches_too() {
        let line = FISH.replace('\n', " ");
        let bytes = [line.repeat(50).into_bytes(), latin(&line.repeat(50))].concat();
        let (text, ..) = mended(&bytes);
        assert!(text.starts_with(&line.repeat(45)) && text.ends_with(&line.repeat(45)), "{text}");
    }

    #[test]
    fn a_text_in_a_legacy_encoding_is_decoded_as_a_whole() {
        // É and a no-break space are valid UTF-8 by chance.
        let text = "« CAFÉ\u{A0}»\nÀ été fermé, désolé\n".repeat(30);
        assert_eq!(mended(&latin(&text)), (text, Encoding::Windows1252, 0, None));
        assert_eq!(mended(b"caf\xE9"), ("café".to_owned(), Encoding::Windows1252, 0, None));
    }
}
