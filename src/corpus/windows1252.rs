//! Decodes Windows-1252 as the WHATWG Encoding Standard defines it: every byte is a character, so decoding cannot fail.
//! A stray byte in a UTF-8 text is most often Windows-1252.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_1252_characters_are_decoded() {
        assert_eq!(b"\x80\x93\x94\x99\xE9\xFF\x81A".map(decode), ['€', '“', '”', '™', 'é', 'ÿ', '\u{81}', 'A']);
    }
}
