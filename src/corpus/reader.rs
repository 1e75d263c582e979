//! Reads one file, chunk by chunk, into a [`Source`].

use serde::{Deserialize, Serialize};

use super::decode::Part;
use super::encoding::Encoding;
use super::gzip::{self, Damaged, Inflater};
use super::parsed::Parsed;
use super::source::{DocumentPart, Notice, Source};
use super::text::TextReader;
use super::{json, jsonlines, letters, table};
use crate::chat::whatsapp::{self, ChatOptions};
use crate::error::{Error, Result};

/// Largest size of one file's text in bytes: with its tokens, and the model beside it, the most that a page can hold.
pub const DEFAULT_LIMIT: u64 = 512 << 20;

/// Options for reading a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReadOptions {
    /// The CSV column or JSON field that holds the text, which may be a path such as `data.text`; empty: read the
    /// records as conversations; `None`: the likeliest field.
    pub field: Option<String>,
    /// Largest accepted size of the decoded text in bytes.
    pub limit: u64,
    /// The file's size, so that memory can be reserved at once; 0 if unknown.
    pub expected_bytes: u64,
    /// The encoding, if the user chose one; `None`: detected from the bytes.
    pub encoding: Option<Encoding>,
    /// Options for chat exports of WhatsApp and other programs.
    pub chat: ChatOptions,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { field: None, limit: DEFAULT_LIMIT, expected_bytes: 0, encoding: None, chat: ChatOptions::default() }
    }
}

/// Reads one file in chunks of any size, with a single copy of its text in memory.
pub struct FileReader {
    name: String,
    field: Option<String>,
    chat: ChatOptions,
    input: Input,
    text: TextReader,
    /// What a document has lost before it came here.
    left_out: Vec<Notice>,
}

/// The file's bytes.
enum Input {
    /// Not enough bytes to detect the format.
    Unknown(Vec<u8>),
    Plain,
    Gzip(Box<Inflater>),
}

impl FileReader {
    /// The extension of `name` decides the format, without `.gz`: `.csv` and `.tsv`; `.json`; `.jsonl` and `.ndjson`;
    /// `.eml` and `.mbox`; anything else is plain text, or a chat export of WhatsApp, which is detected by its lines. For
    /// a `.parquet` file the page sends its rows as JSON Lines, and for a document, such as a PDF, its text.
    pub fn new(name: &str, options: ReadOptions) -> Self {
        Self {
            name: name.to_owned(),
            field: options.field.clone(),
            chat: options.chat.clone(),
            input: Input::Unknown(Vec::new()),
            text: TextReader::new(name, options),
            left_out: Vec::new(),
        }
    }

    /// Notes that `count` parts of the document are not in the text that is pushed.
    pub fn note_left_out(&mut self, kind: DocumentPart, count: u64) {
        self.left_out.push(Notice::LeftOutOfDocument { name: self.name.clone(), kind, count });
    }

    /// Reads the next bytes of the file. After an error the reader cannot be used.
    ///
    /// # Errors
    /// If the bytes are not text, damaged, or too many.
    pub fn push(&mut self, chunk: &[u8]) -> Result<()> {
        let mut rest = chunk;
        if let Input::Unknown(first) = &mut self.input {
            let missing = gzip::MAGIC.len() - first.len();
            let (more, after) = rest.split_at(missing.min(rest.len()));
            first.extend_from_slice(more);
            if first.len() < gzip::MAGIC.len() {
                return Ok(());
            }
            let first = std::mem::take(first);
            if first == gzip::MAGIC {
                self.input = Input::Gzip(Box::new(Inflater::new()));
                self.text.size_is_unknown();
            } else {
                self.input = Input::Plain;
            }
            self.take(&first)?;
            rest = after;
        }
        self.take(rest)
    }

    /// Returns the documents, once the whole file has been pushed.
    ///
    /// # Errors
    /// If the file is incomplete, is not valid in its format, lacks the chosen field, or has no text.
    pub fn finish(self) -> Result<Source> {
        let Self { name, field, chat, input, mut text, left_out } = self;
        match input {
            Input::Unknown(first) => text.push(&first)?,
            Input::Plain => {}
            Input::Gzip(inflater) => {
                let last = inflater.finish().map_err(|Damaged| Error::GzipDamaged { name: name.clone() })?;
                text.push(&last)?;
            }
        }
        let decoded = text.finish()?;
        let wanted = field.as_deref();
        let parsed = match extension(&name).as_str() {
            "csv" | "tsv" => table::parse(&name, decoded.text, wanted)?,
            "json" => json::parse(&name, decoded.text, wanted, &chat)?,
            "jsonl" | "ndjson" => jsonlines::parse(&name, decoded.text, wanted, false)?,
            // The page sends all columns of the table in the first rows only.
            "parquet" => jsonlines::parse(&name, decoded.text, wanted, true)?,
            "eml" | "mbox" => letters::parse(&name, decoded.text)?,
            _ if whatsapp::looks_like(&decoded.text, &decoded.line_ends) => {
                Parsed::chat(&name, decoded.text, &decoded.line_ends, &chat)?
            }
            _ => Parsed::other(&name, decoded.text)?,
        };
        let mut notices = left_out;
        if decoded.guessed {
            notices.push(Notice::encoding_guessed(&name, decoded.encoding));
        }
        for Part { encoding, count } in decoded.parts {
            notices.push(Notice::PartsInAnotherEncoding { name: name.clone(), encoding, count });
        }
        if decoded.nuls > 0 {
            notices.push(Notice::NulsLeftOut { name: name.clone(), count: decoded.nuls });
        }
        let replaced = decoded.replaced + parsed.replaced;
        if replaced > 0 {
            notices.push(Notice::CharactersReplaced { name: name.clone(), count: replaced });
        }
        notices.extend(parsed.notices);
        Ok(Source {
            name,
            documents: parsed.documents,
            text: parsed.text,
            encoding: decoded.encoding,
            field: parsed.field,
            fields: parsed.fields.names,
            more_fields: parsed.fields.more,
            conversational: parsed.conversational,
            notices,
            turns: parsed.turns,
            chat: parsed.chat,
        })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let Input::Gzip(inflater) = &mut self.input else { return self.text.push(bytes) };
        for step in bytes.chunks(gzip::STEP) {
            let piece = inflater.inflate(step).map_err(|Damaged| Error::GzipDamaged { name: self.name.clone() })?;
            self.text.push(piece)?;
        }
        Ok(())
    }
}

/// The extension that decides the format, in lower case.
fn extension(name: &str) -> String {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_owned()).unwrap_or_default()
}
