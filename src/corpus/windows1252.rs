//! Windows-1252, as the WHATWG Encoding Standard has it: every byte is a character, so decoding cannot fail.
//!
//! The standard library reads UTF-8 and UTF-16, and this table is all that was missing, so no encoding crate is needed.

use std::collections::TryReserveError;

/// The bytes 0x80 to 0x9F; all others equal their code point.
const HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', //
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

pub fn decode(byte: u8) -> char {
    match byte {
        0x80..=0x9F => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Reads a text again that was decoded as UTF-8 before a later byte proved it Windows-1252: its UTF-8 bytes are the
/// file's bytes. The text grows within its own memory, filled from its end, so there is no second copy of it.
pub fn decode_again(text: &mut String) -> Result<(), TryReserveError> {
    let mut bytes = std::mem::take(text).into_bytes();
    let mut from = bytes.len();
    let mut to: usize = bytes.iter().map(|&byte| decode(byte).len_utf8()).sum();
    bytes.try_reserve_exact(to - from)?;
    bytes.resize(to, 0);
    // Once both meet, only ASCII is left before them, which stays as it is.
    while from < to {
        from -= 1;
        let character = decode(bytes[from]);
        let end = to;
        to -= character.len_utf8();
        character.encode_utf8(&mut bytes[to..end]);
    }
    *text = String::from_utf8(bytes).expect("whole characters were written");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_characters() {
        assert_eq!(b"\x80\x93\x94\x99\xE9\xFF\x81A".map(decode), ['€', '“', '”', '™', 'é', 'ÿ', '\u{81}', 'A']);
    }

    #[test]
    fn utf8_read_again_is_what_its_bytes_say() {
        let mut text = "plain, ñandú – 漢字".to_owned();
        let expected: String = text.bytes().map(decode).collect();
        decode_again(&mut text).unwrap();
        assert_eq!(text, expected);
        assert!(text.starts_with("plain, Ã±andÃº â€“"));
    }

    #[test]
    fn ascii_and_nothing_stay() {
        for plain in ["", "plain text"] {
            let mut text = plain.to_owned();
            decode_again(&mut text).unwrap();
            assert_eq!(text, plain);
        }
    }
}
