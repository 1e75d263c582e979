//! Detects WhatsApp's own phrases by their wording in the languages of `languages.txt`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::half_day::is_tashkil;
use super::marks::{is_invisible, is_unseen};

/// Length from which a text is a person's.
pub const LONGEST: usize = 400;

/// The subject of one of WhatsApp's phrases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    Media,
    Deleted,
    /// Only the phone's owner can be its sender.
    DeletedByYou,
    Encrypted,
    /// A call, a poll, a pending message.
    Said,
}

/// The phrases of all languages, folded.
#[derive(Default)]
struct Wording {
    whole: HashMap<String, About>,
    /// By their first letters.
    begins: HashMap<char, Vec<(String, About)>>,
    /// The last word of phrases such as "<Media omitted>".
    how: HashSet<String>,
    edited: HashSet<String>,
    attached: HashSet<String>,
    /// Beginnings of system messages about a group, and parts within them.
    group_begins: Vec<String>,
    group_within: Vec<String>,
    message: Vec<String>,
}

static WORDING: LazyLock<Wording> = LazyLock::new(|| {
    let mut wording = Wording::default();
    let mut what: Vec<&str> = Vec::new();
    for line in include_str!("languages.txt").lines().filter(|line| !line.starts_with('#')) {
        // A blank line ends a language.
        let Some((key, all)) = line.split_once(": ") else {
            what.clear();
            continue;
        };
        for words in all.split(" | ") {
            match key {
                "what" => what.push(words),
                "how" => wording.add_omitted(&what, words),
                "attached" => drop(wording.attached.insert(fold(words))),
                "deleted" => drop(wording.whole.insert(fold(words), About::Deleted)),
                "deleted by you" => drop(wording.whole.insert(fold(words), About::DeletedByYou)),
                "deleted by" => wording.add_beginning(words, About::Deleted),
                "edited" => drop(wording.edited.insert(fold(words))),
                "encrypted" => wording.add_beginning(words, About::Encrypted),
                "said" if words.ends_with([':', '：']) => drop(wording.whole.insert(fold(words), About::Said)),
                "said" => wording.add_beginning(words, About::Said),
                "place" => wording.add_beginning(words, About::Media),
                "group" => match words.strip_prefix('…') {
                    Some(within) => wording.group_within.push(fold_within(within.trim_end_matches('…'))),
                    None => wording.group_begins.push(fold_within(words.trim_end_matches('…'))),
                },
                "message" => wording.message.push(fold(words)),
                _ => debug_assert!(false, "{line}"),
            }
        }
    }
    wording
});

impl Wording {
    fn add_omitted(&mut self, what: &[&str], how: &str) {
        self.how.insert(fold(how));
        for what in what {
            for both in [format!("{what} {how}"), format!("{how} {what}"), format!("{what}{how}")] {
                self.whole.insert(fold(&both), About::Media);
            }
        }
    }

    fn add_beginning(&mut self, words: &str, about: About) {
        let folded = fold(words);
        if let Some(first) = folded.chars().next() {
            self.begins.entry(first).or_default().push((folded, about));
        }
    }
}

/// The subject of a whole text, folded.
pub fn about(plain: &str) -> Option<About> {
    WORDING.whole.get(plain).copied()
}

/// The subject of a text by its beginning, folded.
pub fn begins(plain: &str) -> Option<About> {
    let begins = WORDING.begins.get(&plain.chars().next()?)?;
    begins.iter().find(|(begin, _)| plain.starts_with(begin.as_str())).map(|&(_, about)| about)
}

/// Whether a folded word means that something is omitted: the last word of "media omitted".
pub fn is_omitted(how: &str) -> bool {
    WORDING.how.contains(how)
}

/// Whether a folded text means that what precedes it was edited.
pub fn is_edited(plain: &str) -> bool {
    WORDING.edited.contains(plain)
}

/// Whether a folded text means that a file is attached.
pub fn is_attached(plain: &str) -> bool {
    WORDING.attached.contains(plain)
}

/// Whether it is a system message about a group, in a known language.
pub fn is_of_group(body: &str) -> bool {
    // The space at the end is needed, because parts may end with one.
    let plain = plain(body) + " ";
    let is_end = |(at, part): (usize, &str)| {
        let (last, next) = (part.chars().next_back(), plain[at + part.len()..].chars().next());
        let goes_on =
            |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphabetic() && !is_spaceless(letter));
        !(goes_on(last) && goes_on(next))
    };
    let within = |part: &String| plain.match_indices(part.as_str()).any(is_end);
    let begins = |part: &String| plain.starts_with(part.as_str()) && is_end((0, part));
    WORDING.group_begins.iter().any(begins) || WORDING.group_within.iter().any(within)
}

/// Whether it contains the word for "message" in any language.
pub fn is_about_messages(text: &str) -> bool {
    let plain = plain(text);
    WORDING.message.iter().any(|word| plain.contains(word.as_str()))
}

/// Whether its script has no spaces between words.
fn is_spaceless(letter: char) -> bool {
    letter >= '\u{3040}'
}

/// The folded text; empty if it is too long to be WhatsApp's.
pub fn plain(text: &str) -> String {
    if text.len() > LONGEST { String::new() } else { fold(text) }
}

/// Folds a text: lower case, without invisible characters, rarely written signs, and the full stop.
pub fn fold(text: &str) -> String {
    let mut folded = fold_within(text.trim_matches(is_unseen));
    folded.truncate(folded.trim_end_matches(['.', '。', '।', '۔', ' ']).len());
    folded
}

/// As `fold`, but spaces and full stops at the ends stay.
fn fold_within(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase().replace(|letter: char| letter.is_whitespace(), " ");
    }
    let seen = |letter: char| {
        // The dot below of Devanagari and Bengali, which can also be part of a composed letter.
        let left_out = is_invisible(letter) || is_tashkil(letter) || matches!(letter, '\u{93C}' | '\u{9BC}');
        let folded = match letter {
            '’' => '\'',
            '\u{958}' => 'क',
            '\u{959}' => 'ख',
            '\u{95A}' => 'ग',
            '\u{95B}' => 'ज',
            '\u{95C}' => 'ड',
            '\u{95D}' => 'ढ',
            '\u{95E}' => 'फ',
            '\u{95F}' => 'य',
            '\u{9DC}' => 'ড',
            '\u{9DD}' => 'ঢ',
            '\u{9DF}' => 'য',
            _ if letter.is_whitespace() => ' ',
            _ => letter,
        };
        (!left_out).then_some(folded)
    };
    text.chars().filter_map(seen).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_case_and_rarely_written_signs() {
        assert_eq!(fold("\u{200E}You’re now An ADMIN.\u{A0}"), "you're now an admin");
        assert_eq!(fold("مُشفَّرة"), fold("مشفرة"));
        assert_eq!(fold("फ़ाइल"), fold("\u{95E}ाइल"));
        assert_eq!(fold("पिछड़ा"), fold("पिछ\u{95C}ा"));
    }

    #[test]
    fn group_notices_are_detected_in_many_languages() {
        for text in [
            "Nela created this group",
            "Nela criou o grupo \"Alfar",
            "Nela a changé le sujet en",
            "Nela hat die Gruppenbeschreibung geändert",
            "Nela ha cambiato l'oggetto in",
            "أنشأ نيلا المجموعة",
            "Nela ने ग्रुप का नाम",
            "Nela mengubah subjek menjadi",
            "Nela изменил(а) тему на",
            "Nelaがグループ名を",
            "You're now an admin",
            "Óscar left",
        ] {
            assert!(is_of_group(text), "{text}");
        }
        for name in ["Ana Lefty", "Left Bank", "رقم غير معروف", "Ana Addedo", "Changed", "Paz Saiuri", "王添"]
        {
            assert!(!is_of_group(name), "{name}");
        }
    }

    #[test]
    fn the_list_of_languages_is_well_formed() {
        let wording = &*WORDING;
        let languages = include_str!("languages.txt").split("\n\n").filter(|it| it.contains("encrypted: ")).count();
        assert!(languages > 18 && wording.whole.len() > 500, "{languages} {}", wording.whole.len());
        for line in include_str!("languages.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (_, all) = line.split_once(": ").unwrap();
            assert!(all.split(" | ").all(|words| !words.is_empty() && words.trim() == words), "{line}");
        }
        // No part is so short that many words contain it.
        assert!(wording.group_within.iter().all(|part| part.chars().count() >= 3));
    }
}
