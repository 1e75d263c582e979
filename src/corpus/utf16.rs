//! Detects UTF-16 without a byte order mark by the positions of its zero bytes: a whole file, or a part within another
//! text, as PowerShell's `>>` appends it to a file in UTF-8.

use std::ops::Range;

use super::binary;
use super::encoding::Encoding;

/// High bytes of letters from Latin to Arabic. In a text of single bytes these are control characters.
const HIGH: std::ops::RangeInclusive<u8> = 0..=7;

/// Least number of consecutive units with such a high byte that count as UTF-16; fewer are stray NULs.
const FEWEST: usize = 3;

/// Largest number of units of other scripts between two recognisable ones.
const LONGEST_GAP: usize = 64;

/// Detects the byte order of a text that is UTF-16 as a whole from its first bytes.
pub fn of_zeros(head: &[u8]) -> Option<Encoding> {
    let pairs = head.len() / 2;
    let zeros_at = |parity: usize| head.iter().skip(parity).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros_at(0), zeros_at(1));
    let (encoding, here, there) = match odd > even {
        true => (Encoding::Utf16Le, odd, even),
        false => (Encoding::Utf16Be, even, odd),
    };
    if here == 0 || there * 20 > here {
        return None;
    }
    // Latin letters have no other high byte than zero. In other scripts only spaces and line ends do, so the evidence
    // for UTF-16 is that the same bytes are invalid as anything else.
    let latin = 10 * here >= 7 * pairs && !has_plain_part(head);
    ((latin || !is_text(head)) && is_text_in(encoding, head)).then_some(encoding)
}

/// Whether a part is clearly ASCII: then only the rest of the file is UTF-16.
fn has_plain_part(bytes: &[u8]) -> bool {
    bytes.as_chunks::<16>().0.iter().any(|part| part.iter().all(|&byte| is_plain(byte)))
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t')
}

/// Whether single bytes look like text.
fn is_text(bytes: &[u8]) -> bool {
    let strays: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
    20 * (strays + binary::controls(bytes)) <= bytes.len()
}

fn is_text_in(encoding: Encoding, bytes: &[u8]) -> bool {
    let text = decode(encoding, &bytes[..bytes.len() & !1]);
    let (mut all, mut odd, mut readable) = (0, 0, 0);
    for character in text.chars() {
        all += 1;
        let control = character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\x0C');
        let private = matches!(character, '\u{E000}'..='\u{F8FF}' | '\u{FFF0}'..='\u{FFFF}');
        odd += usize::from(control || private);
        readable += usize::from(character.is_alphanumeric() || character.is_whitespace());
    }
    // The head may end within a surrogate pair.
    all > 0 && 20 * odd <= all + 20 && 2 * readable >= all
}

/// Finds parts in UTF-16 in a text of single bytes, in order.
pub fn parts(bytes: &[u8]) -> Vec<(Range<usize>, Encoding)> {
    let (mut found, mut at) = (Vec::new(), 0);
    if !bytes.contains(&0) {
        return found;
    }
    while let Some(skipped) = bytes[at..].iter().position(|byte| HIGH.contains(byte)) {
        let high = at + skipped;
        match part(bytes, at, high) {
            Some((range, encoding)) => {
                at = range.end;
                found.push((range, encoding));
            }
            None => at = high + 1,
        }
    }
    found
}

/// The part whose first recognised high byte is at `high`; it does not begin before `from`.
fn part(bytes: &[u8], from: usize, high: usize) -> Option<(Range<usize>, Encoding)> {
    let is_high = |at: usize| bytes.get(at).is_some_and(|byte| HIGH.contains(byte));
    let is_low = |at: usize| bytes.get(at).is_some_and(|&byte| byte != 0);
    let highs = (high..).step_by(2).take_while(|&at| is_high(at) && (at + 1 == bytes.len() || is_low(at + 1))).count();
    let last = high + 2 * (highs.max(1) - 1);
    // The low byte of the first unit is before its high byte, or after.
    let little = high > from
        && is_low(high - 1)
        && (last + 1 == bytes.len() || high - 1 == from || bytes[high - 1] != b'\n' || !is_low(last + 1));
    let encoding = if little { Encoding::Utf16Le } else { Encoding::Utf16Be };
    let start = if little { high - 1 } else { high };
    if highs < FEWEST {
        return None;
    }
    let (mut end, mut gap, mut plain) = (start, 0, 0);
    for (at, pair) in (start..).step_by(2).zip(bytes[start..].as_chunks::<2>().0) {
        let [low, high] = if little { *pair } else { [pair[1], pair[0]] };
        match (low, high) {
            (0, 0) => break,
            _ if HIGH.contains(&high) => (end, gap, plain) = (at + 2, 0, 0),
            _ => {
                gap += 1;
                plain += usize::from(pair.iter().all(|&byte| is_plain(byte)));
                // A text of single bytes continues.
                if gap > LONGEST_GAP || (plain >= 4 && 4 * plain > 3 * gap) {
                    break;
                }
            }
        }
    }
    // In any script, a text has spaces, digits or line ends.
    let units = bytes[start..end].as_chunks::<2>().0;
    let plain = units.iter().filter(|pair| pair.contains(&0) && pair.iter().any(|&byte| is_plain(byte))).count();
    if 10 * plain < units.len() || !is_text_in(encoding, &bytes[start..end]) {
        return None;
    }
    // A byte order mark that was copied when two files were joined.
    let marked = start >= from + 2 && bytes[..start].ends_with(encoding.mark());
    Some((start - if marked { 2 } else { 0 }..end, encoding))
}

/// Decodes whole units; invalid ones become U+FFFD.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> String {
    let unit = if encoding == Encoding::Utf16Be { u16::from_be_bytes } else { u16::from_le_bytes };
    let (pairs, _) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|&pair| unit(pair)));
    text.map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn little(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn big(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn utf16_is_detected_by_its_zero_bytes() {
        for text in [
            "Luz y mar\r\n",
            "id\ttexto\r\n1\tañil, “ñandú”\r\n",
            "Маяк стоит\nна скале\n",
            "灯台は 岩の上に立つ。\n",
            "a",
        ] {
            assert_eq!(of_zeros(&little(text)), Some(Encoding::Utf16Le), "{text}");
            assert_eq!(of_zeros(&big(text)), Some(Encoding::Utf16Be), "{text}");
        }
    }

    #[test]
    fn other_bytes_are_not_utf16() {
        let words = b"hello\0there\0and\0so\0on".as_slice();
        for bytes in [b"".as_slice(), b"plain", b"abc\0", b"hello\0", words, &[0; 64], &[1, 0, 2, 0, 3, 0, 4, 0], b"\0"]
        {
            assert_eq!(of_zeros(bytes), None, "{bytes:?}");
            assert!(parts(bytes).is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn parts_in_utf16_are_found_within_a_text() {
        for tail in ["The tide, “añil”\r\nand more 漢字 of it\r\n", "Прилив в семь\r\n", "abc\r\n"] {
            for (bytes, encoding) in [(little(tail), Encoding::Utf16Le), (big(tail), Encoding::Utf16Be)] {
                for after in ["", "and UTF-8 again, ñ\n"] {
                    let before = "One line, ñ.\n";
                    let text = [before.as_bytes(), &bytes, after.as_bytes()].concat();
                    let range = before.len()..before.len() + bytes.len();
                    assert_eq!(parts(&text), [(range.clone(), encoding)], "{tail:?} {encoding:?} {after:?}");
                    assert_eq!(decode(encoding, &text[range]), tail);
                }
            }
        }
    }

    #[test]
    fn a_short_beginning_in_single_bytes_is_not_decoded_as_utf16() {
        let text = [b"One line of plain text.\n".to_vec(), little(&"And a long tail. ".repeat(40))].concat();
        assert_eq!(of_zeros(&text), None);
        assert_eq!(parts(&text), [(24..text.len(), Encoding::Utf16Le)]);
    }

    #[test]
    fn stray_nuls_are_not_utf16() {
        assert_eq!(parts(b"a\0b and \0\0\0\0 so on\0, 1\0 2\0 "), []);
    }
}
