//! Finds the end of the sender's name in lines with several colons, and names of the same person.
//!
//! A name ends at a colon with a space, but not always at the first: `Taller: Bruno` may be a name. Other lines decide.
//! Invisible characters are no part of a name, and where WhatsApp's own mark follows a colon, a name certainly ends
//! there.

use std::collections::HashSet;

use ahash::AHashMap;

use super::layout::Raw;
use super::marks::{self, is_invisible, is_unseen};
use super::notices;
use super::wording::is_of_group;

/// Largest length of a name in bytes.
const LONGEST: usize = 200;

/// Number of colons at which a name may end.
const ENDS: usize = 4;

/// Number of lines from which a name certainly belongs to a person.
const MANY: u64 = 20;

/// Quotation marks. A system message quotes a group's name, which may contain a colon.
const QUOTES: [char; 10] = ['"', '“', '”', '„', '«', '»', '「', '」', '『', '』'];

/// A message with its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    pub raw: Raw<'a>,
    /// The name before the colon, if any: always the same slice for the same name.
    pub sender: Option<&'a str>,
    /// The text after it, all its lines.
    pub body: &'a str,
}

/// A name, and the text after its colon.
pub type End<'a> = (&'a str, &'a str);

/// Statistics of a name.
#[derive(Debug, Clone, Copy)]
struct Seen<'a> {
    /// The first spelling of it, for spellings that differ only in invisible characters.
    same: &'a str,
    /// The shorter name that ends at the previous colon.
    shorter: Option<&'a str>,
    /// Number of lines that begin with it, and number of those in which no longer name is possible.
    lines: u64,
    alone: u64,
    /// Number of lines in which WhatsApp's own phrases follow it.
    own: u64,
    /// Whether it is no name, but the beginning of a system message with a colon.
    notice: bool,
}

/// The names of a chat.
#[derive(Debug, Default)]
pub struct Names<'a> {
    seen: AHashMap<&'a str, Seen<'a>>,
    /// The first name for each set of names that look alike.
    alike: AHashMap<String, &'a str>,
    /// Strings that are only beginnings of names.
    begun: HashSet<&'a str>,
}

impl<'a> Names<'a> {
    /// Adds the possible senders of a message.
    pub fn note(&mut self, raw: &Raw<'a>) {
        if raw.preamble {
            return;
        }
        let mut ends = ends(raw.text).peekable();
        let mut shorter = None;
        while let Some((name, body)) = ends.next() {
            let alike = &mut self.alike;
            let seen = self.seen.entry(name).or_insert_with(|| {
                let same = *alike.entry(looks(name)).or_insert(name);
                Seen { same, shorter: None, lines: 0, alone: 0, own: 0, notice: false }
            });
            let same = seen.same;
            let Some(seen) = self.seen.get_mut(same) else { continue };
            seen.shorter = shorter;
            seen.lines += 1;
            seen.alone += u64::from(ends.peek().is_none());
            seen.own += u64::from(is_own(body) || notices::is_of_chat(body));
            shorter = Some(same);
        }
    }

    /// Decides, after all lines: a name that always has a longer alternative, and mostly one that other lines confirm,
    /// is only the beginning of a name.
    pub fn settle(&mut self) {
        let mut longer: AHashMap<&str, u64> = AHashMap::new();
        for seen in self.seen.values() {
            if let Some(shorter) = seen.shorter.filter(|_| seen.lines > 1 || seen.own > 0) {
                *longer.entry(shorter).or_default() += seen.lines;
            }
        }
        let is_begun = |(name, lines): (&'a str, u64)| {
            let seen = self.seen.get(name)?;
            (seen.alone == 0 && 2 * lines >= seen.lines).then_some(name)
        };
        self.begun = longer.into_iter().filter_map(is_begun).collect();
        for (name, seen) in &mut self.seen {
            // A name with many lines is a person's, however it looks.
            seen.notice = seen.lines < MANY && (is_of_group(name) || is_cut_quote(name));
        }
    }

    /// Returns a message with its sender.
    pub fn entry(&self, raw: Raw<'a>) -> Entry<'a> {
        let nobody = Entry { raw, sender: None, body: raw.text };
        if raw.preamble {
            return nobody;
        }
        let same = |name: &'a str| self.seen.get(name).map_or(name, |seen| seen.same);
        let mut ends = ends(raw.text).map(|(name, body)| (same(name), body)).peekable();
        let Some(mut end) = ends.next() else { return nobody };
        while self.begun.contains(end.0)
            && let Some(longer) = ends.next()
        {
            end = longer;
        }
        // A person's name may be the beginning of a group's name, under which there are only system messages.
        let of_group =
            |(name, _): &End| self.seen.get(name).is_some_and(|seen| seen.lines > 1 && seen.own == seen.lines);
        let (name, body) = ends.find(of_group).unwrap_or(end);
        let Some(seen) = self.seen.get(name) else { return nobody };
        if seen.notice || (seen.lines < 2 && self.quotes_about(name, body)) {
            return nobody;
        }
        Entry { raw, sender: Some(name), body }
    }

    /// Whether a name that occurs once quotes something, or mentions another person with a quotation after the colon.
    fn quotes_about(&self, name: &str, body: &str) -> bool {
        let about = |(end, _): (usize, &str)| {
            name[end..].split_whitespace().nth(2).is_some() && self.seen.contains_key(&name[..end])
        };
        let quotes = body.trim_start_matches(is_unseen).starts_with(QUOTES);
        name.contains(QUOTES) || (quotes && name.match_indices(' ').any(about))
    }
}

/// The likely sender, as far as one line shows.
pub fn first(text: &str) -> Option<&str> {
    first_end(text).map(|(name, _)| name).filter(|name| !is_of_group(name) && !is_cut_quote(name))
}

/// The shortest possible name at the beginning of a message, and the rest.
pub fn first_end(text: &str) -> Option<End<'_>> {
    ends(text).next()
}

/// The quotation in a text of one line.
pub fn quoted(text: &str) -> Option<&str> {
    let line = text.split('\n').next()?;
    let (open, mark) = line.match_indices(QUOTES).next()?;
    let (close, _) = line.rmatch_indices(QUOTES).next()?;
    line.get(open + mark.len()..close).map(bare).filter(|quoted| !quoted.is_empty())
}

/// A name for display.
pub fn shown(name: &str) -> String {
    let joins = |letter: char| matches!(letter, '\u{200C}' | '\u{200D}');
    name.chars().filter(|&letter| joins(letter) || !is_invisible(letter)).collect()
}

/// The visible form of a name, by which names that look alike are compared.
pub fn looks(name: &str) -> String {
    let seen: String = name.chars().filter(|&letter| !is_invisible(letter)).collect();
    let mut words = String::with_capacity(seen.len());
    for word in seen.split_whitespace() {
        if !words.is_empty() {
            words.push(' ');
        }
        words.push_str(word);
    }
    words
}

/// Whether a quotation begins in it and continues after it.
fn is_cut_quote(name: &str) -> bool {
    name.matches(QUOTES).count() % 2 == 1
}

/// Whether WhatsApp's own phrases follow, which an iPhone marks.
fn is_own(body: &str) -> bool {
    body.starts_with(['\u{200E}', '\u{200F}'])
}

/// All possible names at the beginning of a message, and the rest after each. A mark after a colon excludes longer
/// names.
pub fn ends(text: &str) -> impl Iterator<Item = End<'_>> {
    let line = &text[..text.floor_char_boundary(LONGEST + 16)];
    let line = line.split('\n').next().unwrap_or_default();
    let mut certain = false;
    let end = move |(at, _): (usize, &str)| {
        let after = &text[at + 1..];
        let apart = after.chars().next().is_none_or(|next| next.is_whitespace() || is_invisible(next));
        let name = bare(&text[..at]);
        if certain || !apart || name.is_empty() || name.len() > LONGEST {
            return None;
        }
        let body = after.strip_prefix(' ').unwrap_or(after);
        certain = is_own(body);
        Some((name, body))
    };
    line.match_indices(':').filter_map(end).take(ENDS)
}

/// A name without the tilde of people in nobody's address book.
fn bare(written: &str) -> &str {
    marks::bare(marks::bare(written).trim_start_matches('~'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::whatsapp::layout::Layout;
    use crate::corpus::LineEnds;

    /// Senders and texts, where each line is a message of an iPhone.
    fn read(lines: &[&str]) -> Vec<(Option<String>, String)> {
        let text: String = lines.iter().map(|line| format!("[1/2/24, 9:05:00] {line}\n")).collect();
        let ends = LineEnds::default();
        let messages = || Layout::of(&text, &ends).into_iter().flat_map(|layout| layout.messages());
        let mut names = Names::default();
        messages().for_each(|raw| names.note(&raw));
        names.settle();
        messages().map(|raw| names.entry(raw)).map(|it| (it.sender.map(str::to_owned), it.body.to_owned())).collect()
    }

    fn senders(lines: &[&str]) -> Vec<Option<String>> {
        read(lines).into_iter().map(|(sender, _)| sender).collect()
    }

    #[test]
    fn system_messages_have_no_sender() {
        let long = format!("{}: far too long", "x".repeat(300));
        for line in [
            "Ana left",
            "Luz changed the group name from \"a\" to \"Plan: beach\"",
            "10:30 is too late",
            ": and nobody",
            &long,
        ] {
            assert_eq!(read(&["Leo: a", line])[1], (None, line.to_owned()));
        }
    }

    #[test]
    fn names_are_trimmed() {
        let name = |written: &str| senders(&[&format!("{written}: \u{200E}x")])[0].clone();
        assert_eq!(name("~\u{202F}Ana"), Some("Ana".into()));
        assert_eq!(name("\u{202A}+34 600 11 22 33\u{202C}"), Some("+34 600 11 22 33".into()));
        assert_eq!(name("\u{200F}سارة\u{200F}"), Some("سارة".into()));
        assert_eq!(name("José 🦜 d’Ávila"), Some("José 🦜 d’Ávila".into()));
        assert_eq!(name("a:b"), Some("a:b".into()));
    }

    #[test]
    fn names_that_look_alike_are_one() {
        let names = senders(&["An\u{200B}a: a", "Ana: b", "\u{2068}Ana\u{2069}: c", "Leo\u{A0}Paz: d", "Leo Paz: e"]);
        assert!(names[..3].iter().all(|name| *name == names[0]) && names[3] == names[4] && names[0] != names[3]);
        assert_eq!(shown(names[0].as_deref().unwrap()), "Ana");
        assert_eq!(shown("\u{200E}👩\u{200D}🚀"), "👩\u{200D}🚀");
    }

    #[test]
    fn a_name_ends_where_other_lines_confirm_it() {
        let some = |name: &str| Some(name.to_owned());
        let contact = ["Taller: Bruno: hola", "Luz: nota: sal", "Taller: Bruno: sí: ya", "Luz: a", "Taller: Bruno: b"];
        let expected = ["Taller: Bruno", "Luz", "Taller: Bruno", "Luz", "Taller: Bruno"].map(some);
        assert_eq!(senders(&contact), expected);
        assert_eq!(read(&contact)[2].1, "sí: ya");
        // Two people of one workshop, one of whom has a single message.
        let shop = ["Taller: Bruno: a", "Taller: Luz: b", "Taller: Bruno: c"];
        assert_eq!(senders(&shop), ["Taller: Bruno", "Taller: Luz", "Taller: Bruno"].map(some));
        // WhatsApp's mark certainly ends a name, if nobody has the first part alone as a name.
        let group = ["Alfar: tardes: \u{200E}Nela added you", "Nela: a: b", "Nela: c"];
        assert_eq!(senders(&group), ["Alfar: tardes", "Nela", "Nela"].map(some));
        let both = ["Taller: tardes: \u{200E}a", "Taller: ya", "Taller: tardes: \u{200E}b", "Taller: c: d"];
        assert_eq!(senders(&both), ["Taller: tardes", "Taller", "Taller: tardes", "Taller"].map(some));
        assert_eq!(senders(&["Ana: ojo: a", "Leo: b"]), ["Ana", "Leo"].map(some));
    }

    #[test]
    fn names_with_quotation_marks_need_several_lines() {
        let names = senders(&["Ana \"la jefa\": a", "Ana \"la jefa\": b", "Nela bixt la muda orra: “clay”", "Nela: c"]);
        assert!(names[0].is_some() && names[0] == names[1]);
        assert_eq!(names[2..], [None, Some("Nela".to_owned())]);
        assert_eq!(senders(&["Nela: a", "Luz a changé le nom de « a » en « Plan: b »"])[1], None);
    }
}
