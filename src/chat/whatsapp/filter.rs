//! Filters out messages that nobody wrote, and private ones, unless the options keep them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::marks::bare;
use super::names::{self, Entry};
use super::notices::{self, Line};
use super::phrases::Phrases;
use super::wording::is_of_group;
use super::{private, without_marks};

/// What to leave out; all of it, if nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChatFilters {
    /// Lines that stand in for photos, films, voice messages, files and places.
    pub media: bool,
    /// That a message was deleted.
    pub deleted: bool,
    /// The mark of edited messages; their words stay.
    pub edited: bool,
    /// What WhatsApp says: who came and went, calls, encryption.
    pub system: bool,
    /// Addresses of web pages; "…" stands for each.
    pub links: bool,
    /// E-mail addresses; "…" stands for each.
    pub mails: bool,
    /// Numbers of phones, cards, accounts; "…" stands for each.
    pub numbers: bool,
}

impl Default for ChatFilters {
    fn default() -> Self {
        Self { media: true, deleted: true, edited: true, system: true, links: true, mails: true, numbers: true }
    }
}

/// How much each filter finds, whether it is on or off: lines, and places within lines.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChatFound {
    /// Lines in place of a picture, a voice message or a file.
    pub media: u64,
    /// Lines in place of a deleted message.
    pub deleted: u64,
    /// Marks of edited messages.
    pub edited: u64,
    /// Lines that WhatsApp writes itself.
    pub system: u64,
    /// Web addresses.
    pub links: u64,
    /// E-mail addresses.
    pub mails: u64,
    /// Telephone numbers.
    pub numbers: u64,
}

/// What is left of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<'a> {
    /// None if WhatsApp itself speaks.
    pub speaker: Option<&'a str>,
    /// Lines without blanks at the ends; not empty.
    pub words: String,
}

impl ChatFilters {
    /// What these filters leave of an entry, if anything.
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

    /// What these filters leave of a message's words, if anything.
    pub fn keep_words(&self, mut words: String, found: &mut ChatFound) -> Option<String> {
        let replaced = self.replace_private(&mut words, found);
        let bare = words.trim();
        let nothing = bare.is_empty() || (replaced && bare.replace(private::STAND_IN, "").trim().is_empty());
        (!nothing).then(|| bare.to_owned())
    }

    /// A name as others see it: of those who are in nobody's address book it is their number.
    pub fn name(&self, name: &str) -> String {
        let mut name = names::shown(name);
        if self.numbers {
            private::replace(&mut name, private::LONG_NUMBER);
        }
        name
    }

    /// Replaces addresses and numbers; whether there were any.
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

/// Whether the whole of it is WhatsApp's, though a name stands before it.
fn is_of_whatsapp(entry: &Entry, sender: &str, phrases: &Phrases) -> bool {
    let body = entry.body;
    let reads_from_right = entry.raw.marked && body.starts_with('\u{200F}') && notices::is_short(body);
    // A notice under somebody's name says the name again: "Nela: Nela created this group".
    let repeats = || {
        let rest = bare(body).trim_start_matches('~').trim_start().strip_prefix(sender);
        rest.is_some_and(|rest| rest.starts_with([' ', '\'', '’', '님', 'さ', 'が']))
    };
    reads_from_right || notices::is_poll(body) || (phrases.marks_are_lost && (repeats() || is_of_group(body)))
}

fn count(body: &str) -> u64 {
    body.split('\n').count() as u64
}
