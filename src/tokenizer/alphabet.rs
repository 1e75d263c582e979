//! GPT-2's byte alphabet: every byte is written as one printable character, so that tokens of bytes are text.
//!
//! Printable Latin-1 stands for itself; the other 68 bytes, in order, are written as U+0100 and on (a space is `Ġ`).

const CHARACTERS: [char; 256] = characters();

/// One past the last character of the alphabet.
const END: usize = 0x144;

/// The byte of each character; 256 for characters outside the alphabet.
const BYTES: [u16; END] = bytes();

const fn characters() -> [char; 256] {
    let mut table = ['\0'; 256];
    let mut byte = 0;
    let mut next = 0x100;
    while byte < 256 {
        let printable = matches!(byte as u8, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
        let code = if printable { byte as u32 } else { next };
        if !printable {
            next += 1;
        }
        table[byte] = match char::from_u32(code) {
            Some(character) => character,
            None => unreachable!(),
        };
        byte += 1;
    }
    table
}

const fn bytes() -> [u16; END] {
    let mut table = [256; END];
    let mut byte = 0;
    while byte < 256 {
        table[CHARACTERS[byte] as usize] = byte as u16;
        byte += 1;
    }
    table
}

/// The character that stands for a byte.
pub fn character(byte: u8) -> char {
    CHARACTERS[usize::from(byte)]
}

/// The byte that a character stands for.
pub fn byte(character: char) -> Option<u8> {
    let byte = *BYTES.get(character as usize)?;
    u8::try_from(byte).ok()
}

/// Writes bytes as a `tokenizer.json` does.
pub fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| character(byte)).collect()
}

/// Returns the bytes of a token in a `tokenizer.json`; `None` if it has a character outside the alphabet.
pub fn unspell(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    use super::*;

    #[test]
    fn the_alphabet_equals_that_of_tokenizers() {
        let ours: HashSet<char> = (0..=255).map(character).collect();
        assert_eq!(ours, ByteLevel::alphabet().into_iter().collect());
    }

    #[test]
    fn bytes_survive_a_round_trip() {
        assert_eq!(spell(" ñ\n".as_bytes()), "ĠÃ±Ċ");
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unspell(&spell(&all)), Some(all));
        assert_eq!(unspell("a b"), None);
        assert_eq!(unspell("日"), None);
    }
}
