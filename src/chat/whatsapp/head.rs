//! Parses the head of a message: date and time at the beginning of a line, with the characters around them.
//!
//! - Android: `12/31/23, 11:59 PM - Ana: Hola`, `31/12/2023 à 23:59 - Ana: Hola`, `٣١‏/١٢‏/٢٠٢٣، ١١:٥٩ م - Ana: Hola`
//! - iPhone: `[31/12/23, 23:59:59] Ana: Hola`; copied from WhatsApp's web page, time and date are swapped
//! - until about 2017: `31/12/2016 23:59:59: Ana: Hola`
//!
//! There is no specification. The phone's language decides the order of the date's numbers, their digits, the
//! separators, and the clock. So no language's forms are listed: a date is three numbers, a clock two or three, and a
//! comma of any script and a few short words may surround them.

use super::date::{Stamp, Year};
use super::half_day;
use super::marks::{digit, is_invisible};

/// The characters around date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `date - `
    Dash,
    /// `[date] `
    Brackets,
    /// `date: `
    Colon,
}

/// The properties that are the same in all lines of one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub form: Form,
    /// Whether the clock precedes the date.
    time_first: bool,
    seconds: bool,
    /// Whether there are words before date and clock, and between them.
    words: [bool; 2],
}

/// The beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    pub shape: Shape,
    /// Whether an invisible mark precedes it, as an iPhone writes before messages that are not only text.
    pub marked: bool,
    pub stamp: Stamp,
    /// The rest of the line, from the sender on.
    pub rest: &'a str,
}

/// Largest number of words around a date, such as "p. m." or "de la tarde", and largest number of letters of each.
const WORDS: (usize, usize) = (3, 12);

/// Largest number of bytes of these words in ASCII.
const BEFORE: usize = WORDS.0 * (WORDS.1 + 2);

const DASHES: &str = "-–—‒−‐‑";
const COMMAS: &str = ",،、，՝;；";
const CLOCK: &str = ":.：∶";

/// Characters between hour and minute: `22 h 02`, `22時02分`.
const HOURS: &str = "hH時时시点點";
const MINUTES: [&str; 4] = ["min", "分", "분", "m"];

/// Characters after a year and after a month.
const DATE: [(&str, &str); 6] =
    [("/⁄∕／", "/⁄∕／"), (".．", ".．"), ("-‐‑–−", "-‐‑–−"), ("年", "月"), ("년", "월"), ("٫", "٫")];

/// Letters right before a year of a Japanese era, an alternative to its full name.
const ERAS: [&str; 3] = ["R", "H", "S"];

/// Parses the beginning of a line, if it begins a message.
pub fn begin(line: &str) -> Option<Head<'_>> {
    let mut reader = Reader(line);
    reader.marks();
    let marked = reader.0.len() != line.len();
    let first = reader.0.chars().next()?;
    let bracket = reader.one_of("[［").is_some();
    // A quick check that most lines fail: a date is preceded by at most a word or two.
    let may_be_digit = |byte: &u8| byte.is_ascii_digit() || !byte.is_ascii();
    if !bracket
        && digit(first).is_none()
        && !(first.is_alphabetic() && reader.0.bytes().take(BEFORE).any(|byte| may_be_digit(&byte)))
    {
        return None;
    }
    let Moment { stamp, time_first, seconds, words, known } = reader.moment()?;
    let form = match bracket {
        true => {
            reader.one_of("]］")?;
            Form::Brackets
        }
        false if reader.one_of(DASHES).is_some() => Form::Dash,
        false => {
            reader.one_of(":").filter(|_| known)?;
            Form::Colon
        }
    };
    // One space; further ones are part of the text.
    reader.one_of(" \u{A0}")?;
    Some(Head { shape: Shape { form, time_first, seconds, words }, marked, stamp, rest: reader.0 })
}

/// The rest of a line during parsing. Invisible characters are skipped anywhere.
struct Reader<'a>(&'a str);

/// Date and time, and the words around them.
struct Moment {
    stamp: Stamp,
    time_first: bool,
    seconds: bool,
    words: [bool; 2],
    /// Whether all words after them are known to belong to them.
    known: bool,
}

/// The time of a clock.
struct Clock {
    hour: u32,
    minute: u32,
    seconds: bool,
}

/// Short words that were parsed.
struct Words<'a> {
    count: usize,
    /// Whether they contain a separator between what precedes and what follows.
    parted: bool,
    text: &'a str,
}

impl Words<'_> {
    /// The hours that a word for AM or PM adds, or all words together, such as "p. m.".
    fn half(&self) -> Option<u32> {
        if self.count == 0 {
            return None;
        }
        let word = |word: &str| half_day::hours(word).filter(|_| self.count > 1);
        half_day::hours(self.text).or_else(|| self.text.split_whitespace().find_map(word))
    }
}

impl<'a> Reader<'a> {
    /// Parses date and time in any order.
    fn moment(&mut self) -> Option<Moment> {
        let before = self.words().filter(|words| words.count == 0 || words.parted)?;
        let start = self.0;
        self.date_and_time(&before).or_else(|| {
            self.0 = start;
            self.time_and_date(&before)
        })
    }

    fn date_and_time(&mut self, before: &Words<'a>) -> Option<Moment> {
        let (date, year) = self.date()?;
        let between = self.words().filter(|words| words.parted)?;
        let clock = self.clock()?;
        let after = self.words()?;
        let stamp = clock.stamp(date, year, between.half().or_else(|| after.half()));
        let words = [before.count > 0, between.count > 0];
        let known = after.count == 0 || after.half().is_some();
        Some(Moment { stamp, time_first: false, seconds: clock.seconds, words, known })
    }

    fn time_and_date(&mut self, before: &Words<'a>) -> Option<Moment> {
        let clock = self.clock()?;
        let between = self.words().filter(|words| words.parted)?;
        let (date, year) = self.date()?;
        let known = self.words()?.count == 0;
        let stamp = clock.stamp(date, year, before.half().or_else(|| between.half()));
        let words = [before.count > 0, between.count > 0];
        Some(Moment { stamp, time_first: true, seconds: clock.seconds, words, known })
    }

    /// Parses three numbers, and the position of the year.
    fn date(&mut self) -> Option<([u32; 3], Year)> {
        let (first, digits) = self.number()?;
        let (mark, end) = DATE.into_iter().find(|(mark, _)| self.one_of(mark).is_some())?;
        self.spaces();
        let second = self.number().filter(|&(_, digits)| digits <= 2)?.0;
        self.one_of(end)?;
        self.spaces();
        let (third, last) = self.number()?;
        if mark.contains('.') {
            let _ = self.one_of(".");
        }
        let year = match (digits, last) {
            (3 | 4, 1 | 2) => Year::First,
            (1 | 2, 3 | 4) => Year::Last,
            (1 | 2, 2) => Year::Unknown,
            _ => return None,
        };
        Some(([first, second, third], year))
    }

    fn clock(&mut self) -> Option<Clock> {
        let hour = self.number().filter(|&(hour, digits)| hour <= 24 && digits <= 2)?.0;
        let mark = self.one_of(CLOCK);
        if mark.is_none() {
            self.spaces();
            self.one_of(HOURS)?;
            self.spaces();
        }
        let two = |&(value, digits): &(u32, usize)| value < 60 && digits == 2;
        let minute = self.number().filter(two)?.0;
        let before = self.0;
        let goes_on = if mark.is_some() {
            self.one_of(CLOCK) == mark
        } else {
            self.spaces();
            let named = MINUTES.into_iter().find_map(|word| self.0.strip_prefix(word));
            self.0 = named.unwrap_or(self.0);
            self.spaces();
            named.is_some()
        };
        let seconds = goes_on && self.number().filter(two).is_some();
        if !seconds {
            self.0 = before;
        }
        Some(Clock { hour, minute, seconds })
    }

    /// Parses commas, spaces, and a few short words.
    fn words(&mut self) -> Option<Words<'a>> {
        let start = self.0;
        let mut words = Words { count: 0, parted: false, text: "" };
        loop {
            let commas = self.one_of(COMMAS).is_some();
            let spaces = self.spaces() > 0;
            words.parted |= commas || spaces;
            let length = self.0.chars().take(WORDS.1 + 1).take_while(|&letter| is_of_word(letter)).count();
            if length == 0 {
                if commas || spaces {
                    continue;
                }
                break;
            }
            let end = self.0.char_indices().nth(length).map_or(self.0.len(), |(at, _)| at);
            let word = &self.0[..end];
            if words.count == WORDS.0 || length > WORDS.1 || !word.contains(char::is_alphabetic) {
                return None;
            }
            words.count += 1;
            // Words without a space, such as "午後2:00" or "R7/9/26"; but not the T of "2024-01-02T09:05".
            words.parted |= !word.is_ascii() || ERAS.contains(&word);
            self.0 = &self.0[end..];
        }
        words.text = &start[..start.len() - self.0.len()];
        Some(words)
    }

    /// Parses a number of at most four digits of any script, and returns the number of digits.
    fn number(&mut self) -> Option<(u32, usize)> {
        self.marks();
        let (mut value, mut digits) = (0, 0);
        while let Some((next, length)) = self.0.chars().next().and_then(|next| Some((digit(next)?, next.len_utf8()))) {
            if digits == 4 {
                return None;
            }
            value = 10 * value + next;
            digits += 1;
            self.0 = &self.0[length..];
        }
        (digits > 0).then_some((value, digits))
    }

    fn one_of(&mut self, wanted: &str) -> Option<char> {
        let bare = self.0.trim_start_matches(is_invisible);
        let first = bare.chars().next().filter(|&first| wanted.contains(first))?;
        self.0 = &bare[first.len_utf8()..];
        Some(first)
    }

    /// Skips spaces of all widths; returns their bytes.
    fn spaces(&mut self) -> usize {
        self.marks();
        let before = self.0.len();
        self.0 = self.0.trim_start_matches(|letter: char| letter.is_whitespace() && letter != '\n');
        let spaces = before - self.0.len();
        self.marks();
        spaces
    }

    fn marks(&mut self) {
        self.0 = self.0.trim_start_matches(is_invisible);
    }
}

impl Clock {
    /// `half`: the hours that a word for AM or PM adds.
    fn stamp(&self, date: [u32; 3], year: Year, half: Option<u32>) -> Stamp {
        let hour = half.filter(|_| self.hour <= 12).map_or(self.hour, |half| self.hour % 12 + half);
        Stamp { date, year, minute: 60 * hour + self.minute, halves: half.is_some() }
    }
}

/// Whether a character can be part of a word beside a date: neither a digit nor a separator.
fn is_of_word(letter: char) -> bool {
    match letter {
        '.' | '\'' => true,
        _ if letter.is_ascii() => letter.is_ascii_alphabetic(),
        _ => {
            let has_meaning = |signs: &str| signs.contains(letter);
            let signs = has_meaning(DASHES) || has_meaning(COMMAS) || has_meaning("：∶／［］");
            !signs && !letter.is_whitespace() && !is_invisible(letter) && digit(letter).is_none()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::whatsapp::date::Order;

    /// Form, minute since 1970 with the day first, and the rest.
    fn read(line: &str) -> Option<(Form, i64, &str)> {
        begin(line).map(|head| (head.shape.form, head.stamp.minutes(Order::DayMonthYear), head.rest))
    }

    #[test]
    fn dates_and_clocks_are_read_in_many_languages() {
        let evening = 20_357 * 24 * 60 + 22 * 60 + 2;
        for head in [
            "26/09/2025, 22:02 - ",
            "26/09/25 22:02 - ",
            "26/09/2025 à 22:02 - ",
            "le 26/09/2025 à 22:02 - ",
            "26.09.25, 22:02 - ",
            "26.09.25 um 22:02 - ",
            "den 26.9.2025 kl. 22.02 - ",
            "26.9.2025 klo 22.02 - ",
            "26/09/2025 às 22:02 - ",
            "26.09.2025 г., 22:02 ч. - ",
            "26. 09. 2025. u 22:02 - ",
            "2025. 09. 26. 22:02 - ",
            "2025-09-26 22 h 02 - ",
            "2025/09/26 22:02 - ",
            "26/9/2568 22:02 - ",
            "26/9/25 10:02 μ.μ. - ",
            "26/9/25, 10:02\u{202F}p.\u{A0}m. - ",
            "26/9/25, 10:02 e pasdites - ",
            "2025. 9. 26. 오후 10:02 - ",
            "2025年9月26日 下午10:02 - ",
            "2025/9/26 午後10:02 - ",
            "26/9/2025 ÖS 10:02 - ",
            "26/9/25, 10:02 CH - ",
            "22:02, 26/9/25 - ",
            "٢٦\u{200F}/٩\u{200F}/٢٠٢٥، ١٠:٠٢ م - ",
            "۲۶/۹/۲۰۲۵،\u{200F} ۲۲:۰۲ - ",
            "२६/९/२५, १०:०२ अपराह्न - ",
            "২৬/৯/২৫, ১০:০২ PM - ",
            "๒๖/๙/๒๕๖๘ ๒๒:๐๒ - ",
            "114/9/26 下午10:02 - ",
            "\u{FEFF}26/09/2025, 22:02 – ",
            "\u{200F}26/09/2025, 22:02\u{200F} -\u{200F} ",
            "[26/09/2025, 22:02:33] ",
            "[26.09.25, 22:02:33] ",
            "\u{200E}[26/9/25, 10:02:33\u{202F}PM] ",
            "[26.09.25 um 22:02:33] ",
            "[2025-09-26 22 h 02 min 33 s] ",
            "[2025/9/26 下午10:02:33] ",
            "[26/09/2025\u{2009}22:02:33] ",
            "[\u{200F}٢٦\u{200F}/٩\u{200F}/٢٠٢٥، ١٠:٠٢:٣٣ م] ",
            "[22:02, 26/9/2025] ",
            "[10:02 PM, 26/9/2025] ",
            "[오후 10:02, 26/9/2025] ",
            "26/09/2025 22:02:33: ",
            "26.09.2025, 22:02: ",
            "26/09/25 10:02:33 PM: ",
        ] {
            let form = match head {
                _ if head.contains('[') => Form::Brackets,
                _ if head.ends_with(": ") => Form::Colon,
                _ => Form::Dash,
            };
            let line = format!("{head}Ana: hola");
            assert_eq!(read(&line), Some((form, evening, "Ana: hola")), "{line}");
        }
    }

    #[test]
    fn midnight_and_noon_are_read() {
        let minute = |time: &str| begin(&format!("1/2/24, {time} - A: b")).map(|head| head.stamp.minute);
        assert_eq!(minute("12:05 AM"), Some(5));
        assert_eq!(minute("12:05 p.m."), Some(12 * 60 + 5));
        assert_eq!(minute("ص 12:05"), Some(5));
        assert_eq!(minute("14:05 Uhr"), Some(14 * 60 + 5));
        assert_eq!(minute("9:05 wozx"), Some(9 * 60 + 5), "a word of no known language");
    }

    #[test]
    fn other_lines_do_not_begin_a_message() {
        for line in [
            "",
            " ",
            "[",
            "1/2/24",
            "1/2/24, 9:05",
            "1/2/24, 9:05 -",
            "1/2/24, 99:05 - Ana: x",
            "1/2/24, 9:65 - Ana: x",
            "1/2/24, 9:5 - Ana: x",
            "1/2.24, 9:05 - Ana: x",
            "12345/2/24, 9:05 - Ana: x",
            "1/2/3, 9:05 - Ana: x",
            "v1.2.24, 9:05 - Ana: x",
            "1/2/24, 9:05 Ana: dijo: x",
            "1/2/24, when the clock of the tower 9:05 - Ana: x",
            "[2024-01-02T09:05:00Z] server: started",
            "[9:05] Ana: x",
            "10.0.0.12 12:30 - x",
            "en 2024 a las 9:05 - Ana: x",
            "\u{200E}",
            "٣/٤",
        ] {
            assert_eq!(begin(line), None, "{line}");
        }
    }
}
