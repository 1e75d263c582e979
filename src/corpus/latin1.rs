//! Repairs UTF-8 that was decoded as Latin-1: "Ã±" for "ñ". All of Meta's JSON exports are like that.

/// The repaired text, if all of its characters are bytes of Latin-1, not all of them ASCII, and the bytes are valid
/// UTF-8.
pub fn mended(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
    String::from_utf8(bytes?).ok()
}

/// Checks, piece by piece, whether a text is UTF-8 that was decoded as Latin-1.
#[derive(Debug, Default)]
pub struct Watch {
    beyond_ascii: bool,
    /// Number of missing bytes of the current letter.
    missing: u8,
    /// Whether an invalid byte was found.
    wrong: bool,
}

impl Watch {
    pub fn push(&mut self, piece: &str) {
        if piece.is_ascii() && self.missing == 0 {
            return;
        }
        for character in piece.chars() {
            self.beyond_ascii |= !character.is_ascii();
            let Ok(byte) = u8::try_from(u32::from(character)) else {
                self.wrong = true;
                return;
            };
            match (self.missing, byte) {
                (0, 0..0x80) => {}
                (0, 0xC2..=0xDF) => self.missing = 1,
                (0, 0xE0..=0xEF) => self.missing = 2,
                (0, 0xF0..=0xF4) => self.missing = 3,
                (1.., 0x80..=0xBF) => self.missing -= 1,
                _ => self.wrong = true,
            }
        }
    }

    /// Whether the text is such UTF-8; `None` if it has no letters beyond ASCII.
    pub fn is_utf8(&self) -> Option<bool> {
        self.beyond_ascii.then_some(!self.wrong && self.missing == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_decoded_as_latin1_is_repaired() {
        assert_eq!(mended("jardÃ\u{AD}n \u{F0}\u{9F}\u{8C}\u{8A}").as_deref(), Some("jardín 🌊"));
        for right in ["jardín", "año 🌊", "plain", "Ã", "Ã±o ñ", "漢"] {
            assert_eq!(mended(right), None, "{right}");
            let mut watch = Watch::default();
            watch.push(right);
            assert_ne!(watch.is_utf8(), Some(true), "{right}");
        }
        let mut watch = Watch::default();
        ["jardÃ", "\u{AD}n"].into_iter().for_each(|piece| watch.push(piece));
        assert_eq!(watch.is_utf8(), Some(true));
    }
}
