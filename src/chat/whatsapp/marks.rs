//! Invisible characters, and digits of other scripts.

/// Characters that control the writing direction. An iPhone writes U+200E before WhatsApp's own phrases.
pub const DIRECTION: [char; 12] = [
    '\u{061C}', '\u{200E}', '\u{200F}', '\u{202A}', '\u{202B}', '\u{202C}', '\u{202D}', '\u{202E}', '\u{2066}',
    '\u{2067}', '\u{2068}', '\u{2069}',
];

/// Whether a character is invisible. Of these, U+200C and U+200D have a meaning within words and emoji.
pub fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}') || DIRECTION.contains(&letter)
}

/// Whether a character is to be trimmed from the end of a name or of a line.
pub fn is_unseen(letter: char) -> bool {
    letter.is_whitespace() || is_invisible(letter)
}

/// Trims invisible characters and white space.
pub fn bare(text: &str) -> &str {
    text.trim_matches(is_unseen)
}

/// Zero in each script with digits that are used in dates: the digits of Unicode's category Nd are ten in a row.
const ZEROS: [char; 39] = [
    '\u{0660}',
    '\u{06F0}',
    '\u{07C0}',
    '\u{0966}',
    '\u{09E6}',
    '\u{0A66}',
    '\u{0AE6}',
    '\u{0B66}',
    '\u{0BE6}',
    '\u{0C66}',
    '\u{0CE6}',
    '\u{0D66}',
    '\u{0DE6}',
    '\u{0E50}',
    '\u{0ED0}',
    '\u{0F20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17E0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19D0}',
    '\u{1A80}',
    '\u{1A90}',
    '\u{1B50}',
    '\u{1BB0}',
    '\u{1C40}',
    '\u{1C50}',
    '\u{A620}',
    '\u{A8D0}',
    '\u{A900}',
    '\u{A9D0}',
    '\u{A9F0}',
    '\u{AA50}',
    '\u{ABF0}',
    '\u{FF10}',
    '\u{10D30}',
    '\u{11136}',
    '\u{1E950}',
];

/// The value of a decimal digit of any script.
pub fn digit(letter: char) -> Option<u32> {
    if letter.is_ascii() {
        return letter.to_digit(10);
    }
    let before = ZEROS.partition_point(|&zero| zero <= letter);
    let value = u32::from(letter) - u32::from(*ZEROS.get(before.checked_sub(1)?)?);
    (value < 10).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_are_read() {
        for text in
            ["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "০১২৩৪৫৬৭৮৯", "๐๑๒๓๔๕๖๗๘๙", "０１２３４５６７８９"]
        {
            assert!(text.chars().map(digit).eq((0..10).map(Some)), "{text}");
        }
        for letter in ['a', '/', ':', '²', '½', 'Ⅷ', '八', '\u{0659}', '\u{066A}', '🦜', '\u{10FFFF}'] {
            assert_eq!(digit(letter), None, "{letter}");
        }
        assert!(ZEROS.is_sorted());
    }

    #[test]
    fn invisible_characters_are_detected() {
        assert!(
            ['\u{200B}', '\u{200D}', '\u{200F}', '\u{061C}', '\u{2060}', '\u{2069}', '\u{FEFF}'].map(is_invisible)
                == [true; 7]
        );
        assert!(['a', ' ', '\u{A0}', '\u{202F}', '\u{2009}', 'م'].map(is_invisible) == [false; 6]);
    }
}
