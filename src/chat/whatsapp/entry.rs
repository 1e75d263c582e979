//! The lines of an export to messages: when, who, what.
//!
//! - Android: `12/31/23, 11:59 PM - Ana: Hola`, `31/12/23, 23:59 - Ana: Hola`
//! - iPhone: `[31/12/23, 23:59:59] Ana: Hola`; copied from WhatsApp's web page, time and date change places
//!
//! The phone's language decides the order of the date's numbers, what stands between them, and the clock. There is no
//! specification: these are the forms that Android and iPhone write in English and Spanish, and their neighbours'. A
//! line that begins otherwise belongs to the message before it.

use super::date::Stamp;
use super::{MARKS, notices};

/// Bytes a name may have; more in front of a colon is no name.
const LONGEST_NAME: usize = 200;

/// One message, or something that WhatsApp itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub stamp: Stamp,
    /// Who is named before the colon, if anybody is.
    pub sender: Option<&'a str>,
    /// What follows, all its lines.
    pub body: &'a str,
}

/// What stands around date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Dash,
    Brackets,
}

/// The messages of a file, one after the other, each a slice of it.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    form: Form,
    /// The next message's date, and all from its sender on.
    next: Option<(Stamp, &'a str)>,
}

impl<'a> Entries<'a> {
    /// `None` if the first line that is not blank does not begin a message.
    pub fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_start();
        let found = [Form::Dash, Form::Brackets].into_iter().find_map(|form| Some((form, begin(text, form)?)));
        found.map(|(form, next)| Self { form, next: Some(next) })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (stamp, rest) = self.next.take()?;
        let starts = rest.match_indices('\n').map(|(at, _)| at + 1);
        let mut after = starts.filter_map(|at| Some((at, begin(&rest[at..], self.form)?)));
        let end = match after.next() {
            Some((at, next)) => {
                self.next = Some(next);
                at
            }
            None => rest.len(),
        };
        let whole = rest[..end].strip_suffix('\n').unwrap_or(&rest[..end]);
        let (sender, body) = sender(whole);
        Some(Entry { stamp, sender, body })
    }
}

/// Who says it. The name ends at the first colon of the first line that a space, or nothing, follows.
fn sender(text: &str) -> (Option<&str>, &str) {
    let line = text.lines().next().unwrap_or_default();
    let ends =
        |at: &usize| line[at + 1..].chars().next().is_none_or(|next| next.is_whitespace() || MARKS.contains(&next));
    let Some(colon) = line.match_indices(':').map(|(at, _)| at).find(ends) else { return (None, text) };
    let name = name(&line[..colon]);
    // A quotation mark comes from a group's name that somebody has changed, with a colon in it.
    let quotes = name.contains(['"', '“', '«']);
    if name.is_empty() || name.len() > LONGEST_NAME || quotes || notices::is_notice(name) {
        return (None, text);
    }
    let body = &text[colon + 1..];
    (Some(name), body.strip_prefix(' ').unwrap_or(body))
}

/// A name without the tilde of those who are in nobody's address book.
fn name(written: &str) -> &str {
    let unseen = |character: char| character.is_whitespace() || MARKS.contains(&character);
    written.trim_matches(unseen).trim_start_matches('~').trim_matches(unseen)
}

/// Reads date and time at the beginning of a line, if they are there in this form.
fn begin(text: &str, form: Form) -> Option<(Stamp, &str)> {
    let mut reader = Reader(text.trim_start_matches(MARKS).trim_start_matches('\u{FEFF}'));
    let stamp = match form {
        Form::Dash => {
            let stamp = reader.date_and_time()?;
            reader.spaces();
            reader.one_of("-–")?;
            stamp
        }
        Form::Brackets => {
            reader.one_of("[")?;
            let inside = reader.0;
            let stamp = reader.date_and_time().or_else(|| {
                reader.0 = inside;
                reader.time_and_date()
            })?;
            reader.one_of("]")?;
            stamp
        }
    };
    // One space; what more there is, somebody has written.
    reader.one_of(" ")?;
    Some((stamp, reader.0))
}

/// The rest of a line that is being read.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn date_and_time(&mut self) -> Option<Stamp> {
        let (date, year_first) = self.date()?;
        self.between()?;
        let (minute, halves) = self.time()?;
        Some(Stamp { date, year_first, minute, halves })
    }

    fn time_and_date(&mut self) -> Option<Stamp> {
        let (minute, halves) = self.time()?;
        self.between()?;
        let (date, year_first) = self.date()?;
        Some(Stamp { date, year_first, minute, halves })
    }

    /// A comma, perhaps, and a space at least.
    fn between(&mut self) -> Option<()> {
        let _ = self.one_of(",");
        (self.spaces() > 0).then_some(())
    }

    /// Three numbers; whether the first is the year.
    fn date(&mut self) -> Option<([u32; 3], bool)> {
        let (first, digits) = self.number()?;
        let mark = self.one_of("/.-")?;
        self.spaces();
        let second = self.number().filter(|&(_, digits)| digits <= 2)?.0;
        (self.one_of("/.-")? == mark).then_some(())?;
        self.spaces();
        let (third, last) = self.number()?;
        let _ = self.one_of(".");
        let valid = matches!((digits, last), (1 | 2, 2 | 4) | (4, 1 | 2));
        valid.then_some(([first, second, third], digits == 4))
    }

    /// The minute of the day, and whether it says AM or PM.
    fn time(&mut self) -> Option<(u32, bool)> {
        let hour = self.number().filter(|&(hour, _)| hour < 24)?.0;
        let mark = self.one_of(":.")?;
        let minute = self.number().filter(|&(minute, digits)| minute < 60 && digits == 2)?.0;
        let before = self.0;
        if self.one_of(":.") != Some(mark) || self.number().is_none_or(|(_, digits)| digits != 2) {
            self.0 = before;
        }
        Some(match self.half() {
            Some(half) => (60 * (hour % 12 + half) + minute, true),
            None => (60 * hour + minute, false),
        })
    }

    /// "PM", "p. m.", "a.m.": the hours that it adds.
    fn half(&mut self) -> Option<u32> {
        let before = self.0;
        self.spaces();
        let read = |reader: &mut Self| {
            let half = reader.one_of("apAP")?;
            let _ = reader.one_of(".");
            reader.spaces();
            reader.one_of("mM")?;
            let _ = reader.one_of(".");
            Some(if half.eq_ignore_ascii_case(&'p') { 12 } else { 0 })
        };
        let half = read(self);
        if half.is_none() {
            self.0 = before;
        }
        half
    }

    /// A number of at most four digits, and how many it has.
    fn number(&mut self) -> Option<(u32, usize)> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let value = self.0[..digits].parse().ok().filter(|_| digits <= 4)?;
        self.0 = &self.0[digits..];
        Some((value, digits))
    }

    fn one_of(&mut self, wanted: &str) -> Option<char> {
        let first = self.0.chars().next().filter(|&first| wanted.contains(first))?;
        self.0 = &self.0[first.len_utf8()..];
        Some(first)
    }

    /// Spaces of all widths; how many bytes they have.
    fn spaces(&mut self) -> usize {
        let before = self.0.len();
        self.0 = self.0.trim_start_matches([' ', '\u{A0}', '\u{202F}', '\u{2009}', '\u{200E}']);
        before - self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u32, Option<&str>, &str)> {
        let entries = Entries::of(text).into_iter().flatten();
        entries.map(|entry| (entry.stamp.minute, entry.sender, entry.body)).collect()
    }

    #[test]
    fn every_form_of_the_date_and_the_clock() {
        let late = 23 * 60 + 59;
        for (line, minute) in [
            ("12/31/23, 11:59 PM - Ana: Hola", late),
            ("12/31/23, 11:59\u{202F}PM - Ana: Hola", late),
            ("31/12/23, 23:59 - Ana: Hola", late),
            ("31/12/2023 23:59 - Ana: Hola", late),
            ("31/12/23, 11:59 p. m. - Ana: Hola", late),
            ("31/12/23 11:59\u{A0}p.\u{A0}m. - Ana: Hola", late),
            ("31.12.23, 23:59 - Ana: Hola", late),
            ("31-12-2023 23.59 - Ana: Hola", late),
            ("2023-12-31, 23:59 - Ana: Hola", late),
            ("2023. 12. 31. 23:59 - Ana: Hola", late),
            ("1/1/24, 12:05 AM - Ana: Hola", 5),
            ("1/1/24, 12:05 p.m. – Ana: Hola", 12 * 60 + 5),
            ("[31/12/23, 23:59:59] Ana: Hola", late),
            ("\u{200E}[31/12/23, 23:59:59] Ana: Hola", late),
            ("[31/12/23 23:59:59] Ana: Hola", late),
            ("[12/31/23, 11:59:59\u{202F}PM] Ana: Hola", late),
            ("[31.12.23, 11:59:59 p. m.] Ana: Hola", late),
            ("[23:59, 31/12/2023] Ana: Hola", late),
            ("[11:59 PM, 12/31/2023] Ana: Hola", late),
        ] {
            assert_eq!(read(line), [(minute, Some("Ana"), "Hola")], "{line}");
        }
    }

    #[test]
    fn lines_without_a_date_belong_to_the_message_before() {
        let text = "1/2/24, 9:05 - Ana: uno\ndos\n\n[1/2/24, 9:06:00] Eva: tres\n1/2/24, 9:07 - Luz:\ncuatro\n";
        let body = "uno\ndos\n\n[1/2/24, 9:06:00] Eva: tres";
        assert_eq!(read(text), [(545, Some("Ana"), body), (547, Some("Luz"), "\ncuatro")]);
    }

    #[test]
    fn what_whatsapp_says_has_no_sender() {
        for line in [
            "1/2/24, 9:05 - Ana left",
            "1/2/24, 9:05 - Luz changed the group name from \"a\" to \"Plan: beach\"",
            "1/2/24, 9:05 - 10:30 is too late",
            "1/2/24, 9:05 - : and nobody",
            &format!("1/2/24, 9:05 - {}: far too long", "x".repeat(300)),
        ] {
            assert_eq!(read(line), [(545, None, &line[15..])], "{line}");
        }
    }

    #[test]
    fn names_are_bare() {
        let name = |written: &str| {
            read(&format!("[1/2/24, 9:05:00] {written}: \u{200E}x")).first().and_then(|it| it.1.map(str::to_owned))
        };
        assert_eq!(name("~\u{202F}Ana"), Some("Ana".into()));
        assert_eq!(name("\u{202A}+34 600 11 22 33\u{202C}"), Some("+34 600 11 22 33".into()));
        assert_eq!(name("José 🦜 d’Ávila"), Some("José 🦜 d’Ávila".into()));
        assert_eq!(name("a:b"), Some("a:b".into()));
    }

    #[test]
    fn what_is_no_export() {
        for text in [
            "",
            "Dear diary",
            "1/2/24",
            "1/2/24, 9:05",
            "1/2/24, 9:05 -",
            "1/2/24, 9:05: Ana",
            "1/2/24, 99:05 - Ana: x",
            "1/2/24, 9:65 - Ana: x",
            "1/2.24, 9:05 - Ana: x",
            "12345/2/24, 9:05 - Ana: x",
            "1/2/3, 9:05 - Ana: x",
            "[2024-01-02T09:05:00Z] server: started",
            "[",
            "[9:05] Ana: x",
        ] {
            assert!(Entries::of(text).is_none(), "{text}");
        }
    }
}
