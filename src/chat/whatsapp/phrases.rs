//! Detects WhatsApp's own phrases in any language by their repetition within one file.

use std::collections::{HashMap, HashSet};
use std::hash::Hasher;

use ahash::{AHashMap, AHasher};

use super::head::Form;
use super::layout::Raw;
use super::marks::bare;
use super::names;
use super::notices;
use super::wording::{fold, is_about_messages};

/// Largest number of candidates that are kept of each kind.
const MOST: usize = 100_000;

/// Number of repetitions, word for word, from which a line counts as a system message: with a word for "message" in it,
/// and without.
const OFTEN: (u64, u64) = (4, 8);

/// Such a line must also be at least one in this many lines.
const SHARE: u64 = 500;

#[derive(Debug, Default)]
pub struct Phrases<'a> {
    attached: HashSet<String>,
    edited: HashSet<&'a str>,
    own: HashSet<&'a str>,
    deleted: HashSet<&'a str>,
    repeated: HashSet<&'a str>,
    /// Whether an iPhone's marks before WhatsApp's phrases were lost.
    pub marks_are_lost: bool,
}

/// Candidates for phrases, while counting.
#[derive(Debug, Default)]
pub struct Counts<'a> {
    form: Option<Form>,
    messages: u64,
    attached: HashMap<String, u64>,
    edited: HashMap<&'a str, u64>,
    own: HashSet<&'a str>,
    /// By the hash of their letters alone.
    lines: AHashMap<u64, Count<'a>>,
    marked: bool,
    unmarked: bool,
}

/// Number of repetitions of a line.
#[derive(Debug)]
struct Count<'a> {
    line: &'a str,
    times: u64,
    /// The first sender, and the number of repetitions by others.
    sender: &'a str,
    others: u64,
    /// Whether a spelling of it differs.
    varies: bool,
}

impl<'a> Counts<'a> {
    pub fn new(form: Form) -> Self {
        Self { form: Some(form), ..Self::default() }
    }

    pub fn note(&mut self, raw: &Raw<'a>) {
        let Some((sender, body)) = names::first_end(raw.text).filter(|_| !raw.preamble) else { return };
        self.messages += 1;
        let (first, more) = body.split_once('\n').map_or((body, ""), |(first, more)| (first, more));
        let last = more.rsplit('\n').next().filter(|last| !last.is_empty()).unwrap_or(first);
        if self.attached.len() < MOST
            && let Some((_, behind)) = notices::attached(first)
        {
            *self.attached.entry(fold(behind)).or_default() += 1;
        }
        if let Some((before, inner)) = notices::bracketed_end(last)
            && !bare(before).is_empty()
            && notices::is_phrase(inner)
            && self.edited.len() < MOST
        {
            *self.edited.entry(bare(inner)).or_default() += 1;
        }
        let own = body.starts_with('\u{200E}');
        if self.form == Some(Form::Brackets) {
            self.marked |= own || body.contains('\u{200E}');
            let is_known = || names::ends(raw.text).any(|(_, body)| notices::is_known(body));
            self.unmarked = self.unmarked || (!self.marked && is_known());
        }
        if own && more.is_empty() && self.own.len() < MOST {
            self.own.insert(bare(first));
        }
        if self.form == Some(Form::Dash) && more.is_empty() {
            self.count(sender, bare(first));
        }
    }

    /// Counts a line that could be a system message: some plain words, neither greeting nor laughter.
    fn count(&mut self, sender: &'a str, line: &'a str) {
        let letters = line.chars().filter(|letter| letter.is_alphanumeric()).count();
        let words = line.split_whitespace().count();
        let spaceless = words == 1 && !line.is_ascii() && letters >= 8;
        if line.len() > 150 || letters < 8 || !(spaceless || words >= 2) || self.lines.len() >= MOST {
            return;
        }
        let mut hasher = AHasher::default();
        let folded = line.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase);
        folded.for_each(|letter| hasher.write_u32(letter.into()));
        let count =
            self.lines.entry(hasher.finish()).or_insert(Count { line, times: 0, sender, others: 0, varies: false });
        count.times += 1;
        count.others += u64::from(sender != count.sender);
        count.varies |= line != count.line;
    }

    pub fn settle(self) -> Phrases<'a> {
        let often = |count: &Count| {
            let plain = count.line.chars().all(|it| it.is_alphanumeric() || is_of_letter(it) || " '’.-()".contains(it));
            let capital = count.line.chars().next().is_some_and(|first| !first.is_lowercase() && first.is_alphabetic());
            !count.varies && plain && capital
        };
        let (mut deleted, mut repeated) = (HashSet::new(), HashSet::new());
        for count in self.lines.values().filter(|count| often(count)) {
            let words = count.line.split_whitespace().count();
            let fewer = count.others.min(count.times - count.others);
            if count.times >= OFTEN.0 && fewer >= 1 && is_about_messages(count.line) {
                deleted.insert(count.line);
            } else if count.times >= OFTEN.1 && fewer >= 2 && words != 2 && count.times * SHARE >= self.messages {
                repeated.insert(count.line);
            }
        }
        let twice = |count: u64| count >= 2;
        Phrases {
            attached: self.attached.into_iter().filter(|it| twice(it.1)).map(|it| it.0).collect(),
            edited: self.edited.into_iter().filter(|it| twice(it.1)).map(|it| it.0).collect(),
            own: self.own,
            deleted,
            repeated,
            marks_are_lost: self.unmarked && !self.marked,
        }
    }
}

impl Phrases<'_> {
    /// Whether it follows several file names.
    pub fn is_attached(&self, behind: &str) -> bool {
        self.attached.contains(behind)
    }

    /// Whether it follows the text of several messages.
    pub fn is_edited(&self, before: &str, inner: &str) -> bool {
        !before.is_empty() && self.edited.contains(inner)
    }

    /// Whether it is a whole message of WhatsApp's own elsewhere.
    pub fn is_own(&self, words: &str) -> bool {
        self.own.contains(words)
    }

    pub fn is_about_deleted(&self, line: &str) -> bool {
        self.deleted.contains(line)
    }

    pub fn is_repeated(&self, line: &str) -> bool {
        self.repeated.contains(line)
    }
}

/// Whether it is part of a letter in scripts that write vowels as signs.
fn is_of_letter(sign: char) -> bool {
    matches!(sign, '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5C7}' | '\u{64B}'..='\u{65F}' | '\u{900}'..='\u{DFF}' | '\u{E31}'..='\u{E4E}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::whatsapp::layout::Layout;
    use crate::corpus::LineEnds;

    /// Evaluates `see` after each line was sent many times by two people.
    fn phrases<R>(lines: &[(&str, &str)], form: Form, see: impl Fn(&Phrases) -> R) -> R {
        let head = if form == Form::Brackets { "[1/2/24, 9:05:00]" } else { "1/2/24, 9:05 -" };
        let text: String = lines.iter().map(|(sender, line)| format!("{head} {sender}: {line}\n")).collect();
        let ends = LineEnds::default();
        let layout = Layout::of(&text, &ends).unwrap();
        let mut counts = Counts::new(layout.shape.form);
        layout.messages().for_each(|raw| counts.note(&raw));
        see(&counts.settle())
    }

    fn both(times: usize, line: &str) -> Vec<(&str, &str)> {
        (0..times).map(|time| (["Ana", "Leo"][time % 2], line)).collect()
    }

    #[test]
    fn a_line_repeated_by_several_people_is_a_system_message() {
        let line = "Ajou blenta dorva zim";
        assert!(phrases(&both(8, line), Form::Dash, |it| it.is_repeated(line)));
        assert!(!phrases(&both(7, line), Form::Dash, |it| it.is_repeated(line)), "too few");
        let alone: Vec<_> = (0..20).map(|_| ("Ana", line)).collect();
        assert!(!phrases(&alone, Form::Dash, |it| it.is_repeated(line)), "of one");
        assert!(!phrases(&both(20, line), Form::Brackets, |it| it.is_repeated(line)), "an iPhone marks them");
        let varied = [both(20, line), both(1, "ajou blenta dorva zim!")].concat();
        assert!(!phrases(&varied, Form::Dash, |it| it.is_repeated(line)), "as people do");
        let deleted = "Zorbal message dorva";
        assert!(phrases(&both(4, deleted), Form::Dash, |it| it.is_about_deleted(deleted)));
        assert!(!phrases(&both(3, deleted), Form::Dash, |it| it.is_about_deleted(deleted)));
    }

    #[test]
    fn frequent_messages_of_people_are_kept() {
        for line in [
            "ok",
            "Ok",
            "jaja",
            "jajajajajajaja",
            "👍",
            "🦜🦜🦜",
            "Buenos días",
            "buenas noches a todos",
            "¿Qué tal estás?",
            "Te quiero mucho ❤",
            "はい",
            "Good night",
        ] {
            assert!(
                !phrases(&both(200, line), Form::Dash, |it| it.is_repeated(line) || it.is_about_deleted(line)),
                "{line}"
            );
        }
    }

    #[test]
    fn suffixes_of_several_lines_are_recognised_as_phrases() {
        let files = [("Ana", "uno.pdf (zwal dorko)"), ("Leo", "dos.pdf (zwal dorko)"), ("Leo", "x.pdf (sí, mira)")];
        phrases(&files, Form::Dash, |it| assert!(it.is_attached("zwal dorko") && !it.is_attached("sí, mira")));
        let edited = [("Ana", "uno <Zwal dorko>"), ("Leo", "dos <Zwal dorko>"), ("Leo", "x <y z>")];
        phrases(&edited, Form::Dash, |it| assert!(it.is_edited("a", "Zwal dorko") && !it.is_edited("a", "y z")));
        let own = [("Ana", "\u{200E}zwal dorko"), ("Leo", "a")];
        phrases(&own, Form::Brackets, |it| assert!(it.is_own("zwal dorko") && !it.marks_are_lost));
        let lost = [("Ana", "image omitted"), ("Leo", "a")];
        phrases(&lost, Form::Brackets, |it| assert!(it.marks_are_lost));
    }
}
