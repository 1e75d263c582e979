//! The corpus: all sources that have been loaded, and the split into training and validation data.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use super::budget;
use super::encoding::Encoding;
use super::source::{Notice, Source};
use super::split::{HeldBack, Split, is_uneven, split};
use super::tally::{DocumentTally, Tally, hash_of};
use crate::chat::{self, whatsapp::ChatReport};
use crate::tokenizer::TurnTokens;

/// Length of a summary's preview, in characters.
const PREVIEW: usize = 1000;

/// The sources loaded so far. It changes only by whole sources.
#[derive(Debug, Default)]
pub struct Corpus {
    sources: Vec<Source>,
    /// One per source.
    tallies: Vec<Tally>,
    held_back: HeldBack,
    /// Computed when the sources change, because it is read far more often.
    summary: Summary,
}

/// Statistics of the corpus, for display.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Summary {
    /// Number of documents of all sources.
    pub documents: usize,
    /// Number of characters of all documents.
    pub characters: usize,
    /// Number of distinct characters.
    pub distinct_characters: usize,
    /// Number of bytes in UTF-8.
    pub bytes: usize,
    /// Number of documents with training data, whole or in part.
    pub train_documents: usize,
    /// Number of documents with validation data, whole or in part.
    pub validation_documents: usize,
    /// Number of characters of training data.
    pub train_characters: usize,
    /// Number of characters of validation data.
    pub validation_characters: usize,
    /// How validation data is chosen.
    pub held_back: HeldBack,
    /// Whether the other choice of validation data should be offered: whole documents cannot be split near nine to one.
    pub uneven: bool,
    /// A hash of all documents in order, as 16 hexadecimal digits; it depends on the text, not on the division into
    /// files.
    pub hash: String,
    /// Details of each source, in the order of loading.
    #[cfg_attr(target_arch = "wasm32", tsify(type = "TextSource[]"))]
    pub sources: Vec<SourceSummary>,
    /// The beginning of the text; a line feed between documents.
    pub preview: String,
    /// The tokens around the turns in `preview`, if the text has conversations.
    pub turns: Option<TurnTokens>,
    /// The token in `preview` that replaces the assistant's one before answers that are not trained on.
    pub only_read: &'static str,
}

/// Statistics of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[cfg_attr(target_arch = "wasm32", tsify(missing_as_null))]
pub struct SourceSummary {
    /// The file's name.
    pub name: String,
    /// Number of documents.
    pub documents: usize,
    /// Number of characters.
    pub characters: usize,
    /// Number of bytes in UTF-8.
    pub bytes: usize,
    /// The encoding in which it was read.
    pub encoding: Encoding,
    /// The column or field that was read; `None` for plain text.
    pub field: Option<String>,
    /// The columns or fields to choose from, at most 256.
    pub fields: Vec<String>,
    /// The number of further columns or fields.
    pub more_fields: usize,
    /// Whether the file can be read as conversations.
    pub conversational: bool,
    /// Deviations from what a user would expect.
    pub notices: Vec<Notice>,
    /// The number of turns in its conversations; 0 for plain text.
    pub turns: u64,
    /// The report on a chat export, if it is one.
    pub chat: Option<ChatReport>,
}

impl Corpus {
    /// Adds a source at the end.
    pub fn add(&mut self, source: Source) {
        self.tallies.push(Tally::of(&source));
        self.sources.push(source);
        self.summary = self.count();
    }

    /// Replaces a source; adds it at the end if there is none with this index.
    pub fn replace(&mut self, index: usize, source: Source) {
        let (Some(old), Some(tally)) = (self.sources.get_mut(index), self.tallies.get_mut(index)) else {
            return self.add(source);
        };
        *tally = Tally::of(&source);
        *old = source;
        self.summary = self.count();
    }

    /// Removes a source; does nothing if there is none with this index.
    pub fn remove(&mut self, index: usize) {
        if index < self.sources.len() {
            self.sources.remove(index);
            self.tallies.remove(index);
            self.summary = self.count();
        }
    }

    /// Removes all sources, and resets the split.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Chooses how validation data is held back, until the corpus is cleared.
    pub fn hold_back(&mut self, held_back: HeldBack) {
        self.held_back = held_back;
        self.summary = self.count();
    }

    /// How validation data is held back. Conversations are always held back whole, because the end of one lacks its
    /// question.
    pub fn held_back(&self) -> HeldBack {
        if self.has_conversations() { HeldBack::Documents } else { self.held_back }
    }

    /// The memory of all texts with token ids of `id` bytes, except the text with the index `without`.
    pub fn cost(&self, without: Option<usize>, id: u64) -> u64 {
        let counted = self.sources.iter().zip(&self.tallies).enumerate().filter(|(index, _)| Some(*index) != without);
        counted.map(|(_, (source, tally))| budget::cost_of(source, tally.characters(), id)).fold(0, u64::saturating_add)
    }

    /// The sources, in the order of loading.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Whether some of the documents are conversations.
    pub fn has_conversations(&self) -> bool {
        self.sources.iter().any(|source| source.turns > 0)
    }

    /// Whether there is no source.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// All documents, in the order of loading.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().flat_map(Source::documents)
    }

    /// The distinct characters, sorted.
    pub fn characters(&self) -> BTreeSet<char> {
        let mut characters = BTreeSet::new();
        self.tallies.iter().for_each(|tally| tally.collect_alphabet(&mut characters));
        characters
    }

    /// Splits the corpus into training and validation data: deterministic for the same documents, order and choice.
    pub fn split(&self) -> Split<'_> {
        split(self.documents(), &self.document_tallies(), self.held_back())
    }

    fn document_tallies(&self) -> Cow<'_, [DocumentTally]> {
        match &self.tallies[..] {
            [only] => Cow::Borrowed(&only.documents),
            several => {
                let mut all = Vec::with_capacity(several.iter().map(|tally| tally.documents.len()).sum());
                several.iter().for_each(|tally| all.extend_from_slice(&tally.documents));
                Cow::Owned(all)
            }
        }
    }

    /// Returns the statistics, computed at the last change.
    pub fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn count(&self) -> Summary {
        let split = self.split();
        let characters = self.tallies.iter().map(Tally::characters).sum();
        let validation_characters = split.validation.iter().map(|text| text.chars().count()).sum();
        let sources: Vec<SourceSummary> = self.sources.iter().zip(&self.tallies).map(SourceSummary::of).collect();
        Summary {
            documents: sources.iter().map(|source| source.documents).sum(),
            characters,
            distinct_characters: self.characters().len(),
            bytes: sources.iter().map(|source| source.bytes).sum(),
            train_documents: split.train.len(),
            validation_documents: split.validation.len(),
            train_characters: characters - validation_characters,
            validation_characters,
            held_back: self.held_back(),
            uneven: !self.has_conversations() && is_uneven(&self.document_tallies()),
            hash: format!("{:016x}", hash_of(&self.document_tallies())),
            sources,
            preview: self.preview(),
            turns: self.has_conversations().then(TurnTokens::ours),
            only_read: chat::ONLY_READ,
        }
    }

    fn preview(&self) -> String {
        let separated = self.documents().flat_map(|document| document.chars().chain(std::iter::once('\n')));
        let mut preview: String = separated.take(PREVIEW).collect();
        preview.truncate(preview.trim_end().len());
        preview
    }
}

impl SourceSummary {
    fn of((source, tally): (&Source, &Tally)) -> Self {
        Self {
            name: source.name.clone(),
            documents: source.documents.len(),
            characters: tally.characters(),
            bytes: source.documents.iter().map(ExactSizeIterator::len).sum(),
            encoding: source.encoding,
            field: source.field.clone(),
            fields: source.fields.clone(),
            more_fields: source.more_fields,
            conversational: source.conversational,
            notices: source.notices.clone(),
            turns: source.turns,
            chat: source.chat.clone(),
        }
    }
}
