//! What a format made of a text.

use std::ops::Range;

use super::conversations::Conversations;
use super::source::Notice;
use crate::chat::whatsapp::{self, Chat, ChatOptions, ChatReport};
use crate::error::{Error, Result};
use crate::tokenizer::END_OF_TEXT;

#[derive(Debug, Default)]
pub struct Parsed {
    pub text: String,
    pub documents: Vec<Range<usize>>,
    pub field: Option<String>,
    pub fields: Vec<String>,
    pub notices: Vec<Notice>,
    /// Characters that became U+FFFD.
    pub replaced: u64,
    /// Turns of the conversations that the documents are; 0 where they are plain text.
    pub turns: u64,
    /// Of a chat that WhatsApp has exported, unless it is read as plain text.
    pub chat: Option<ChatReport>,
}

impl Parsed {
    /// Plain text is one document, or those that `<|endoftext|>` separates in it, as scripts for GPT-2 want them.
    pub fn plain(name: &str, text: String) -> Result<Self> {
        if !text.contains(END_OF_TEXT) {
            let documents = std::iter::once(0..text.len()).collect();
            return Ok(Self { text, documents, ..Self::default() });
        }
        let documents = text
            .split(END_OF_TEXT)
            // The line ends beside a separator separate, too.
            .map(|document| document.trim_matches('\n'))
            .filter(|document| !document.trim().is_empty())
            .map(|document| {
                let start = document.as_ptr() as usize - text.as_ptr() as usize;
                start..start + document.len()
            })
            .collect();
        Self { documents, text, ..Self::default() }.checked(name, None)
    }

    /// Conversations, one document each.
    pub fn conversations(name: &str, found: Conversations, fields: Vec<String>, mut notices: Vec<Notice>) -> Self {
        let Conversations { mut text, documents, turns, left_out, without } = found;
        text.shrink_to_fit();
        if left_out > 0 {
            notices.push(Notice::TurnsLeftOut { name: name.to_owned(), count: left_out });
        }
        if without > 0 {
            notices.push(Notice::RecordsWithoutAnswer { name: name.to_owned(), count: without });
        }
        Self { text, documents, fields, notices, turns, ..Self::default() }
    }

    /// A chat that WhatsApp has exported: its conversations, one document each.
    pub fn chat(name: &str, text: String, options: &ChatOptions) -> Result<Self> {
        if options.plain {
            return Ok(Self { chat: Some(ChatReport::plain(&text, options)), ..Self::plain(name, text)? });
        }
        let Chat { text, documents, turns, report } = whatsapp::read(name, &text, options)?;
        Ok(Self { text, documents, turns, chat: Some(report), ..Self::default() })
    }

    /// Refuses a file without documents: the field asked for is not there, or there is no text at all.
    pub fn checked(self, name: &str, wanted: Option<&str>) -> Result<Self> {
        if !self.documents.is_empty() {
            return Ok(self);
        }
        let name = name.to_owned();
        match wanted {
            Some(field) if !self.fields.is_empty() && !self.fields.iter().any(|known| known == field) => {
                Err(Error::FieldMissing { name, field: field.to_owned(), fields: self.fields })
            }
            _ => Err(Error::NoTextInFile { name }),
        }
    }
}

/// How many lines something befell, and the first of them.
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
