//! Filters out system messages, placeholders and private text, unless the options keep them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::marks::bare;
use super::names::{self, Entry};
use super::notices::{self, Line};
use super::phrases::Phrases;
use super::wording::is_of_group;
use super::{private, without_marks};

/// The content to leave out; all of it by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChatFilters {
    /// Placeholders for photos, videos, voice messages, files and locations.
    pub media: bool,
    /// Placeholders for deleted messages.
    pub deleted: bool,
    /// The mark of edited messages; their text stays.
    pub edited: bool,
    /// System messages: members who join and leave, calls, encryption.
    pub system: bool,
    /// Web addresses; each is replaced by "…".
    pub links: bool,
    /// E-mail addresses; each is replaced by "…".
    pub mails: bool,
    /// Numbers of phones, cards, accounts; each is replaced by "…".
    pub numbers: bool,
}

impl Default for ChatFilters {
    fn default() -> Self {
        Self { media: true, deleted: true, edited: true, system: true, links: true, mails: true, numbers: true }
    }
}

/// Number of matches of each filter, on or off: lines, and places within lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChatFound {
    /// Placeholders for pictures, voice messages and files.
    pub media: u64,
    /// Placeholders for deleted messages.
    pub deleted: u64,
    /// Marks of edited messages.
    pub edited: u64,
    /// System messages.
    pub system: u64,
    /// Web addresses.
    pub links: u64,
    /// E-mail addresses.
    pub mails: u64,
    /// Phone numbers.
    pub numbers: u64,
}

/// The rest of an entry after the filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<'a> {
    /// `None` for a system message.
    pub speaker: Option<&'a str>,
    /// Lines without white space at the ends; not empty.
    pub words: String,
}

impl ChatFilters {
    /// The rest of an entry after these filters, if any.
    pub fn keep<'a>(&self, entry: &Entry<'a>, phrases: &Phrases, found: &mut ChatFound) -> Option<Kept<'a>> {
        let mut speaker = entry.sender.filter(|sender| !is_of_whatsapp(entry, sender, phrases));
        let mut words = String::new();
        if speaker.is_none() {
            found.system += count(entry.body);
            if self.system {
                return None;
            }
            words.push_str(entry.body);
        } else {
            for (number, written) in entry.body.split('\n').enumerate() {
                let (line, edited) = notices::line(written, number == 0, phrases);
                let left = match line {
                    Line::Media(caption) => {
                        found.media += 1;
                        if self.media { caption } else { written }
                    }
                    Line::Deleted => {
                        found.deleted += 1;
                        if self.deleted { "" } else { written }
                    }
                    Line::System => {
                        found.system += count(entry.body);
                        if self.system {
                            return None;
                        }
                        speaker = None;
                        written
                    }
                    Line::Words(words) if self.edited => words,
                    Line::Words(_) => written,
                };
                found.edited += u64::from(edited);
                if !left.is_empty() || written.is_empty() {
                    words.push_str(left);
                    words.push('\n');
                }
            }
        }
        if let Cow::Owned(without) = without_marks(&words) {
            words = without;
        }
        self.keep_words(words, found).map(|words| Kept { speaker, words })
    }

    /// The rest of a message's text after these filters, if any.
    pub fn keep_words(&self, mut words: String, found: &mut ChatFound) -> Option<String> {
        let replaced = self.replace_private(&mut words, found);
        let bare = words.trim();
        let nothing = bare.is_empty() || (replaced && bare.replace(private::STAND_IN, "").trim().is_empty());
        (!nothing).then(|| bare.to_owned())
    }

    /// A name for display: that of someone in nobody's address book is a phone number.
    pub fn name(&self, name: &str) -> String {
        let mut name = names::shown(name);
        if self.numbers {
            private::replace(&mut name, private::LONG_NUMBER);
        }
        name
    }

    /// Replaces addresses and numbers; returns whether there were any.
    fn replace_private(&self, words: &mut String, found: &mut ChatFound) -> bool {
        let all = [
            (self.links, &mut found.links, private::WEB_ADDRESS),
            (self.mails, &mut found.mails, private::MAIL_ADDRESS),
            (self.numbers, &mut found.numbers, private::LONG_NUMBER),
        ];
        let mut replaced = false;
        for (on, found, find) in all {
            let count = if on { private::replace(words, find) } else { private::replace(&mut words.clone(), find) };
            *found += count;
            replaced |= on && count > 0;
        }
        replaced
    }
}

/// Whether the whole entry is a system message, although a name precedes it.
fn is_of_whatsapp(entry: &Entry, sender: &str, phrases: &Phrases) -> bool {
    let body = entry.body;
    let reads_from_right = entry.raw.marked && body.starts_with('\u{200F}') && notices::is_short(body);
    // A system message under somebody's name repeats the name: "Nela: Nela created this group".
    let repeats = || {
        let rest = bare(body).trim_start_matches('~').trim_start().strip_prefix(sender);
        rest.is_some_and(|rest| rest.starts_with([' ', '\'', '’', '님', 'さ', 'が']))
    };
    reads_from_right || notices::is_poll(body) || (phrases.marks_are_lost && (repeats() || is_of_group(body)))
}

fn count(body: &str) -> u64 {
    body.split('\n').count() as u64
}
