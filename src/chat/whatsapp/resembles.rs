//! Detects plain text that resembles a chat export, so that a person can choose not to learn its dates and names.

use super::marks::{digit, is_unseen};

/// Least number of lines of a chat, and the least share of a text's lines: one in this many.
const FEWEST: u64 = 3;
const SHARE: u64 = 3;

/// Largest length in bytes of date and time, and of a name.
const LONGEST: (usize, usize) = (80, 120);

/// The number of lines that begin with a date and a name, if there are many.
pub fn messages_alike(text: &str) -> Option<u64> {
    let (mut alike, mut written) = (0, 0);
    for line in text.lines() {
        written += u64::from(!line.trim().is_empty());
        alike += u64::from(begins_with_date_and_name(line));
    }
    (alike >= FEWEST && SHARE * alike >= written).then_some(alike)
}

/// Whether a line begins with at least four numbers, two of them a clock, and a possible name with a colon.
fn begins_with_date_and_name(line: &str) -> bool {
    let line = line.trim_start_matches(is_unseen).trim_start_matches(['[', '(', '［', '<', '*']);
    if line.chars().next().and_then(digit).is_none() {
        return false;
    }
    let line = &line[..line.floor_char_boundary(LONGEST.0 + LONGEST.1)];
    let is_end = |&(at, _): &(usize, &str)| line[at + 1..].starts_with(char::is_whitespace);
    let Some((colon, _)) = line.match_indices(':').find(is_end) else { return false };
    let before = &line[..colon];
    let is_digit = |letter: Option<char>| letter.and_then(digit).is_some();
    let is_clock = |&(at, mark): &(usize, &str)| {
        is_digit(before[..at].chars().next_back()) && is_digit(before[at + mark.len()..].chars().next())
    };
    let Some((at, mark)) = before.match_indices([':', '：']).rfind(is_clock) else { return false };
    let (date, name) = before.split_at(at + mark.len());
    let name = name.trim_start_matches(|letter| digit(letter).is_some());
    let (mut numbers, mut last) = (1, ' ');
    for letter in date.chars() {
        let begins = digit(letter).is_some() && digit(last).is_none();
        // The preceding letter is no part of a date: "2024-01-02T09:05".
        if begins && last.is_ascii_alphabetic() {
            return false;
        }
        numbers += usize::from(begins);
        last = letter;
    }
    let is_name = name.contains(char::is_alphabetic) && !name.contains(['=', '{', '}', '/', '\\', '"', ';', '?', '!']);
    numbers >= 4 && date.len() <= LONGEST.0 && is_name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chats_of_other_programs_are_detected() {
        for line in [
            "(26.09.2025 22:02:33) Ana: hola",
            "26/09/2025 22:02 | Ana Paz: hola",
            "26 Sep 2025 22:02 Ana: hola",
            "2025-09-26 22:02 Ana: hola",
            "[26 septiembre 2025 22:02] Ana: hola",
            "٢٦/٩/٢٠٢٥ ٢٢:٠٢ سارة: مرحبا",
            "26/09/2025 22:02:33 +34 600 11 22 33 ~Ana: a las 10:30: sí",
        ] {
            assert_eq!(messages_alike(&format!("{line}\n").repeat(5)), Some(5), "{line}");
            assert_eq!(messages_alike(&format!("{line}\nuno\ndos\ntres\n").repeat(5)), None, "{line}");
            assert_eq!(messages_alike(line), None, "{line}");
        }
    }

    #[test]
    fn other_texts_do_not_resemble_a_chat() {
        for line in [
            "00:01:02,000 --> 00:01:05,000",
            "2024-01-02T09:05:00Z server: started",
            "1.2.3.4 hola: a",
            "Ana: 26/09/2025 22:02 hola",
            "26/09/2025 22:02 nada",
            "10:05 Ana: hola",
            "10:05:06 Ana 7: hola",
            "1. pan: dos, 2. sal: uno",
            "",
        ] {
            assert_eq!(messages_alike(&format!("{line}\n").repeat(20)), None, "{line}");
        }
    }
}
