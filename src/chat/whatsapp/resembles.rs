//! Whether a text that is read as plain text resembles a chat: somebody may not want to learn its dates and names.

use super::marks::{digit, is_invisible};

/// Fewer lines are no chat, nor is a smaller share of a text's lines: one of so many.
const FEWEST: u64 = 3;
const SHARE: u64 = 3;

/// Characters that date and time may have, and a name.
const LONGEST: (usize, usize) = (48, 60);

/// How many lines begin with a date and a name, if they are many.
pub fn messages_alike(text: &str) -> Option<u64> {
    let (mut alike, mut written) = (0, 0);
    for line in text.lines() {
        written += u64::from(!line.trim().is_empty());
        alike += u64::from(begins_with_date_and_name(line));
    }
    (alike >= FEWEST && SHARE * alike >= written).then_some(alike)
}

/// Numbers of which two are a clock, and a colon some words behind them.
fn begins_with_date_and_name(line: &str) -> bool {
    let line = line.trim_start_matches(|letter: char| is_invisible(letter) || letter.is_whitespace());
    let line = line.trim_start_matches(['[', '(', '［', '<', '*']);
    let (mut numbers, mut clock, mut end, mut last) = (0, false, 0, ' ');
    let mut within_number = false;
    for (at, letter) in line.char_indices().take(LONGEST.0) {
        let is_digit = digit(letter).is_some();
        if is_digit && !within_number {
            // The letter before belongs to no date: "2024-01-02T09:05", "v1".
            if last.is_ascii_alphabetic() {
                break;
            }
            numbers += 1;
            clock |= matches!(last, ':' | '：') && numbers > 1;
        }
        within_number = is_digit;
        if is_digit {
            end = at + letter.len_utf8();
        }
        last = letter;
    }
    let starts = line.chars().next().is_some_and(|first| digit(first).is_some());
    if !starts || numbers < 4 || !clock {
        return false;
    }
    let rest: String = line[end..].chars().take(LONGEST.1).collect();
    let Some((name, said)) = rest.split_once(':') else { return false };
    let is_name = name.contains(char::is_alphabetic) && !name.contains(['=', '{', '}', '/', '\\', '"', ';', '?', '!']);
    is_name && said.starts_with(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chats_of_other_programs_are_noticed() {
        for line in [
            "(26.09.2025 22:02:33) Ana: hola",
            "26/09/2025 22:02 | Ana Paz: hola",
            "26 Sep 2025 22:02 Ana: hola",
            "2025-09-26 22:02 Ana: hola",
            "[26 septiembre 2025 22:02] Ana: hola",
            "٢٦/٩/٢٠٢٥ ٢٢:٠٢ سارة: مرحبا",
        ] {
            assert_eq!(messages_alike(&format!("{line}\n").repeat(5)), Some(5), "{line}");
            assert_eq!(messages_alike(&format!("{line}\nuno\ndos\ntres\n").repeat(5)), None, "{line}");
            assert_eq!(messages_alike(line), None, "{line}");
        }
    }

    #[test]
    fn what_resembles_none() {
        for line in [
            "00:01:02,000 --> 00:01:05,000",
            "2024-01-02T09:05:00Z server: started",
            "1.2.3.4 hola: a",
            "Ana: 26/09/2025 22:02 hola",
            "26/09/2025 22:02 nada",
            "10:05 Ana: hola",
            "1. pan: dos, 2. sal: uno",
            "",
        ] {
            assert_eq!(messages_alike(&format!("{line}\n").repeat(20)), None, "{line}");
        }
    }
}
