//! The result of parsing a text: its documents, and notices about the rest.

use std::ops::Range;

use super::census::{Census, Path};
use super::conversations::Conversations;
use super::fields::Choice;
use super::newlines::LineEnds;
use super::source::Notice;
use crate::chat::records;
use crate::chat::whatsapp::{self, Chat, ChatOptions, ChatReport};
use crate::error::{Error, Result};
use crate::tokenizer::END_OF_TEXT;

/// The field name that requests conversations: empty.
pub const CONVERSATIONS: &str = "";

/// Shares of a file's text below which a notice or an error reports that most of it is not read: one part in 3, and one
/// in 20.
pub const TOLD: u64 = 3;
pub const REFUSED: u64 = 20;

#[derive(Debug, Default)]
pub struct Parsed {
    pub text: String,
    pub documents: Vec<Range<usize>>,
    pub field: Option<String>,
    pub fields: Choice,
    /// Whether some of the records are conversations, so that they can be read as such.
    pub conversational: bool,
    pub notices: Vec<Notice>,
    /// Number of characters that became U+FFFD.
    pub replaced: u64,
    /// Number of turns in the conversations; 0 for plain text.
    pub turns: u64,
    /// The report on a chat export of WhatsApp or another program, unless it is read as plain text.
    pub chat: Option<ChatReport>,
}

impl Parsed {
    /// Reads plain text as one document, or as documents separated by `<|endoftext|>`, as in scripts for GPT-2.
    pub fn plain(name: &str, text: String) -> Result<Self> {
        if !text.contains(END_OF_TEXT) {
            let documents = std::iter::once(0..text.len()).collect();
            return Ok(Self { text, documents, ..Self::default() });
        }
        let documents = text
            .split(END_OF_TEXT)
            // Line endings beside a separator belong to it.
            .map(|document| document.trim_matches('\n'))
            .filter(|document| !document.trim().is_empty())
            .map(|document| {
                let start = document.as_ptr() as usize - text.as_ptr() as usize;
                start..start + document.len()
            })
            .collect();
        Self { documents, text, ..Self::default() }.checked(name, None)
    }

    /// Reads plain text by default: adds a notice if it resembles a chat.
    pub fn other(name: &str, text: String) -> Result<Self> {
        let alike = whatsapp::messages_alike(&text);
        let notice = alike.map(|count| Notice::ChatReadAsPlain { name: name.to_owned(), count });
        Ok(Self { notices: notice.into_iter().collect(), ..Self::plain(name, text)? })
    }

    /// Reads conversations, one document each.
    pub fn conversations(name: &str, found: Conversations, fields: Choice, mut notices: Vec<Notice>) -> Self {
        let Conversations { mut text, documents, turns, left_out, without, .. } = found;
        text.shrink_to_fit();
        let mut tell = |count: u64, notice: fn(String, u64) -> Notice| {
            if count > 0 {
                notices.push(notice(name.to_owned(), count));
            }
        };
        tell(left_out, |name, count| Notice::TurnsLeftOut { name, count });
        tell(without, |name, count| Notice::RecordsWithoutAnswer { name, count });
        Self { text, documents, fields, conversational: true, notices, turns, ..Self::default() }
    }

    /// Reads a chat export of WhatsApp: its conversations, one document each.
    pub fn chat(name: &str, text: String, ends: &LineEnds, options: &ChatOptions) -> Result<Self> {
        if options.plain {
            return Ok(Self { chat: Some(ChatReport::plain(&text, options)), ..Self::plain(name, text)? });
        }
        Ok(Self::of_chat(whatsapp::read(name, &text, ends, options)?))
    }

    pub fn of_chat(chat: Chat) -> Self {
        let Chat { text, documents, turns, report } = chat;
        Self { text, documents, turns, chat: Some(report), ..Self::default() }
    }

    /// Refuses a file without documents: the chosen field is missing, or there is no text at all.
    pub fn checked(self, name: &str, wanted: Option<&str>) -> Result<Self> {
        if !self.documents.is_empty() {
            return Ok(self);
        }
        let name = name.to_owned();
        match wanted {
            Some(field) if !self.fields.names.is_empty() && !self.fields.names.iter().any(|known| known == field) => {
                Err(Error::FieldMissing { name, field: field.to_owned(), fields: self.fields.names })
            }
            _ => Err(Error::NoTextInFile { name }),
        }
    }
}

/// The text that is read, to be compared with all text of the file.
pub struct Share<'a> {
    pub name: &'a str,
    pub census: &'a Census,
    /// Letters that are read.
    pub letters: u64,
    /// The path of the field; `None` for conversations.
    pub path: Option<&'a Path>,
    /// Whether the user chose the field.
    pub asked: bool,
}

impl Share<'_> {
    /// Returns a notice if most of a file's text is not read, and an error if nearly none is, such as an export's
    /// titles.
    pub fn judge(&self) -> Result<Option<Notice>> {
        let all = self.census.total();
        if self.asked || TOLD * self.letters >= all {
            return Ok(None);
        }
        let name = self.name.to_owned();
        let percent = 100 * self.letters / all;
        if REFUSED * self.letters < all {
            let fields = Choice::of(self.census.names().iter().map(String::as_str), None).names;
            return Err(Error::FieldUnclear { name, percent, fields, conversational: self.path.is_none() });
        }
        let is_used = |field: &str| self.path.is_none() && records::is_known_name(field);
        let field = self.census.elsewhere(self.path, is_used).unwrap_or_default();
        Ok(Some(Notice::TextElsewhere { name, percent, field }))
    }
}

/// The number of affected lines, and the first of them.
#[derive(Debug, Default, Clone, Copy)]
pub struct Lines {
    pub count: u64,
    pub first: u64,
}

impl Lines {
    pub fn note(&mut self, line: u64) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }
}
