//! Reads chats as WhatsApp exports them ("Export chat", without media) into conversations.
//!
//! `layout` finds the messages: `head` parses the beginning of a line, in any language, and `date` its time. `names`
//! finds the end of a sender's name, `notices`, `wording` and `phrases` detect WhatsApp's own phrases, `filter` and
//! `private` leave out text that is not to be learned, `people` lists the participants. Consecutive messages of one
//! person are one turn. "You" become the assistant; all the others are the user, with their names before their text if
//! there are several.

mod date;
mod filter;
mod half_day;
mod head;
mod layout;
mod marks;
mod names;
mod notices;
mod people;
mod phrases;
mod private;
mod resembles;
mod wording;

use std::borrow::Cow;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use self::date::Orders;
pub(super) use self::date::days;
pub(super) use self::filter::Kept;
pub use self::filter::{ChatFilters, ChatFound};
use self::layout::Layout;
use self::names::Names;
pub(super) use self::people::People;
pub use self::people::Person;
use self::phrases::Counts;
pub(crate) use self::private::replace_private;
pub use self::resembles::messages_alike;
use super::{Message, Role, render};
use crate::corpus::LineEnds;
use crate::error::{Error, Result};

/// Minutes of silence after which a new conversation begins: a night.
pub(super) const SILENCE: i64 = 8 * 60;

/// Largest number of people that an error names.
const NAMED: usize = 20;

/// Number of turns, and of characters of each, in a report's preview.
const PREVIEW: (usize, usize) = (12, 200);

/// Options for reading a chat.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChatOptions {
    /// The person whose messages are trained on; `None`: the phone's owner, as far as it can be detected.
    pub you: Option<String>,
    /// The content to leave out.
    pub filters: ChatFilters,
    /// Whether to read it as plain text.
    pub plain: bool,
}

/// The report on reading a chat.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct ChatReport {
    /// Whether it is read as plain text: nothing was left out, and its participants were not detected.
    pub plain: bool,
    /// Number of lines of the file.
    pub lines: u64,
    /// Number of lines that were removed completely.
    pub removed: u64,
    /// Number of matches of each filter.
    pub found: ChatFound,
    /// The filters that were applied.
    pub filters: ChatFilters,
    /// The participants, those with most messages first.
    pub people: Vec<Person>,
    /// The person whose messages are trained on.
    pub you: String,
    /// Number of conversations without a message of yours, which are left out.
    pub silent: u64,
    /// The first turns, conversation by conversation.
    pub preview: Vec<Vec<Message>>,
}

impl ChatReport {
    /// The report on a chat that is read as plain text.
    pub fn plain(text: &str, options: &ChatOptions) -> Self {
        let you = options.you.clone().unwrap_or_default();
        Self { plain: true, lines: text.lines().count() as u64, filters: options.filters, you, ..Self::default() }
    }
}

/// The conversations of a chat, each one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// The conversations, one after another.
    pub text: String,
    /// The byte range of each of them in the text.
    pub documents: Vec<Range<usize>>,
    /// Number of turns of all of them.
    pub turns: u64,
    /// The report on reading the chat.
    pub report: ChatReport,
}

fn without_marks(text: &str) -> Cow<'_, str> {
    // Their first byte is one of these two, which most messages in Latin letters do not have.
    let any = text.bytes().any(|byte| matches!(byte, 0xE2 | 0xD8)) && text.contains(marks::DIRECTION);
    if any { Cow::Owned(text.replace(marks::DIRECTION, "")) } else { Cow::Borrowed(text) }
}

/// Whether a text is a chat, regardless of its name: most of its lines that begin with a date begin as WhatsApp's do,
/// and there is a sender. `ends`: the original line endings.
pub fn looks_like(text: &str, ends: &LineEnds) -> bool {
    Layout::of(text, ends).is_some()
}

/// Reads a chat from the text of a file.
///
/// # Errors
/// If it is no chat, the filters leave nothing, or the chosen person has no messages.
pub fn read(name: &str, text: &str, ends: &LineEnds, options: &ChatOptions) -> Result<Chat> {
    let filters = options.filters;
    let Some(layout) = Layout::of(text, ends) else { return Err(Error::ChatEmpty { name: name.to_owned() }) };
    let (mut orders, mut names, mut counts) = (Orders::default(), Names::default(), Counts::new(layout.shape.form));
    for raw in layout.messages() {
        orders.note(&raw.stamp);
        names.note(&raw);
        counts.note(&raw);
    }
    names.settle();
    let (order, phrases) = (orders.order(), counts.settle());
    let mut people = People::default();
    for entry in layout.messages().map(|raw| names.entry(raw)) {
        let kept = filters.keep(&entry, &phrases, &mut ChatFound::default());
        let speaker = kept.as_ref().and_then(|kept| kept.speaker);
        people.note(&entry, speaker.is_some());
        if let Some(speaker) = speaker {
            people.add_message(speaker);
        }
    }
    let group = people.without_group(&phrases);
    let you = match &options.you {
        Some(you) => people.named(you),
        None => people.likely(name),
    };
    let Some(you) = you else {
        let name = name.to_owned();
        let people: Vec<String> = people.list("").into_iter().take(NAMED).map(|person| person.name).collect();
        return Err(match &options.you {
            Some(you) if !people.is_empty() => Error::ChatPersonMissing { name, you: you.clone(), people },
            _ => Error::ChatEmpty { name },
        });
    };

    let mut turns = Turns::new(you, filters, people.len() > 2);
    let (mut found, mut left, mut clock) = (ChatFound::default(), 0, Clock::default());
    for mut entry in layout.messages().map(|raw| names.entry(raw)) {
        if entry.sender.is_some() && entry.sender == group {
            entry.sender = None;
        }
        let Some(kept) = filters.keep(&entry, &phrases, &mut found) else { continue };
        if clock.silence(entry.raw.stamp.minutes(order)) > SILENCE {
            turns.end_conversation();
        }
        left += kept.words.lines().count() as u64;
        turns.add(&kept);
    }
    turns.end_conversation();
    turns.text.shrink_to_fit();
    let lines = text.lines().count() as u64;
    let report = ChatReport {
        plain: false,
        lines,
        removed: lines.saturating_sub(left),
        found,
        filters,
        people: people.list(you),
        you: names::shown(you),
        silent: turns.silent,
        preview: turns.preview,
    };
    Ok(Chat { text: turns.text, documents: turns.documents, turns: turns.count, report })
}

/// Tracks the times of messages in order.
#[derive(Default)]
struct Clock {
    last: Option<i64>,
    latest: i64,
}

impl Clock {
    /// Minutes of silence before a message. A step back in time is none, because an older message was copied or the
    /// phone travelled; nor is the return to the time before.
    fn silence(&mut self, now: i64) -> i64 {
        let Some(last) = self.last.replace(now) else {
            self.latest = now;
            return 0;
        };
        let since = if now < self.latest { last } else { self.latest };
        self.latest = self.latest.max(now);
        now - since
    }
}

/// Collects messages into documents.
#[derive(Default)]
pub(super) struct Turns<'a> {
    you: &'a str,
    filters: ChatFilters,
    /// Whether others' names precede their text.
    pub group: bool,
    /// The current conversation, and the last speaker.
    messages: Vec<Message>,
    last: Option<&'a str>,
    pub text: String,
    pub documents: Vec<Range<usize>>,
    pub count: u64,
    pub silent: u64,
    pub preview: Vec<Vec<Message>>,
}

impl<'a> Turns<'a> {
    pub fn new(you: &'a str, filters: ChatFilters, group: bool) -> Self {
        Self { you, filters, group, ..Self::default() }
    }

    pub fn add(&mut self, kept: &Kept<'a>) {
        let Kept { speaker, words } = kept;
        let role = if *speaker == Some(self.you) { Role::Assistant } else { Role::User };
        let named = speaker.filter(|_| self.group && role == Role::User);
        let words = match named {
            Some(name) if self.last != Some(name) => format!("{}: {words}", self.filters.name(name)),
            _ => words.clone(),
        };
        self.last = *speaker;
        match self.messages.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => {
                turn.content.push('\n');
                turn.content.push_str(&words);
            }
            None => self.messages.push(Message { role, content: words }),
        }
    }

    /// Ends a conversation, which becomes a document if it has an answer to train on.
    pub fn end_conversation(&mut self) {
        let messages = std::mem::take(&mut self.messages);
        self.last = None;
        if messages.is_empty() {
            return;
        }
        if !messages.iter().any(|message| message.role == Role::Assistant) {
            self.silent += 1;
            return;
        }
        let start = self.text.len();
        self.text.push_str(&render(&messages));
        self.documents.push(start..self.text.len());
        self.count += messages.len() as u64;
        let shown: usize = self.preview.iter().map(Vec::len).sum();
        if shown < PREVIEW.0 {
            let begin = |Message { role, content }: &Message| Message { role: *role, content: beginning(content) };
            self.preview.push(messages.iter().take(PREVIEW.0 - shown).map(begin).collect());
        }
    }
}

fn beginning(content: &str) -> String {
    match content.char_indices().nth(PREVIEW.1) {
        Some((at, _)) => format!("{}…", &content[..at]),
        None => content.to_owned(),
    }
}

#[cfg(test)]
mod tests;
