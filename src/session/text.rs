//! The session's corpus and its tokens.

use std::{borrow::Cow, rc::Rc};

use super::{Session, TokenizerSummary};
use crate::{
    chat,
    corpus::{FileReader, HeldBack, ReadOptions, Split, Summary, most_documents},
    error::{Error, Result},
    tokenizer::{Kind, NormalForm, Piece, TokenIds, Tokenizer, default_vocabulary},
    train::{Answers, Dataset, Side},
};

impl Session {
    /// Begins to read a file of about `expected_bytes` bytes, with `field` as the JSON field or column of the text. A
    /// file that was being read is dropped; the loaded text stays.
    pub fn open_file(&mut self, name: &str, expected_bytes: u64, field: Option<String>) {
        self.open_file_with(name, ReadOptions { field, expected_bytes, ..ReadOptions::default() });
    }

    /// Begins to read a file with all options. The size limit is lowered to the memory that the loaded texts and the
    /// model leave; a larger file is refused as soon as its size is known.
    pub fn open_file_with(&mut self, name: &str, options: ReadOptions) {
        let id = self.bytes_per_id();
        let limit = options.limit.min(self.budget.room(self.corpus.cost(None, id), self.model_bytes(), id));
        self.reader = Some(FileReader::new(name, ReadOptions { limit, ..options }));
    }

    /// Takes the next bytes of the file that is being read. After an error the file is dropped.
    ///
    /// # Errors
    /// [`Error::NoFileOpen`] if no file is being read; [`Error::FileTooLarge`] if it does not fit into memory;
    /// [`Error::FileBinary`], [`Error::FileNotUtf8`] or [`Error::GzipDamaged`] if it is not text.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let reader = self.reader.as_mut().ok_or(Error::NoFileOpen)?;
        let pushed = reader.push(bytes);
        if pushed.is_err() {
            self.reader = None;
        }
        pushed
    }

    /// Ends the file that is being read and adds its documents to the text.
    ///
    /// # Errors
    /// [`Error::NoFileOpen`] if no file is being read; [`Error::FileEmpty`] or [`Error::NoTextInFile`] if it has no
    /// text; [`Error::GzipDamaged`], [`Error::FileNotUtf8`], [`Error::FileBinary`] or [`Error::JsonInvalid`] if its
    /// format is damaged; [`Error::FieldMissing`] or [`Error::FieldUnclear`] if a field has to be chosen;
    /// [`Error::NothingToLearn`] if its conversations have no answer to train on; [`Error::ChatEmpty`] or
    /// [`Error::ChatPersonMissing`] if the filters leave nothing of a chat; [`Error::TooManyDocuments`] if its
    /// documents do not fit into memory.
    pub fn close_file(&mut self) -> Result<Summary> {
        self.close_file_at(usize::MAX)
    }

    /// Ends the file that is being read and puts its documents in place of the source at `index`, which stays if the
    /// file is refused. An index after the last source adds a new one.
    ///
    /// # Errors
    /// Those of [`close_file`](Self::close_file).
    pub fn close_file_at(&mut self, index: usize) -> Result<Summary> {
        let source = self.reader.take().ok_or(Error::NoFileOpen)?.finish()?;
        let id = self.bytes_per_id();
        let room = self.budget.room(self.corpus.cost(Some(index), id), self.model_bytes(), id);
        let (documents, most) = (source.documents.len() as u64, most_documents(source.text.len() as u64, room, id));
        if documents > most.max(1) {
            return Err(Error::TooManyDocuments { name: source.name, documents, most });
        }
        self.corpus.replace(index, source);
        self.data = None;
        Ok(self.corpus.summary())
    }

    /// Drops the file that is being read, if there is one.
    pub fn drop_file(&mut self) {
        self.reader = None;
    }

    /// Removes the source at `index` from the text, and does nothing if there is none.
    pub fn remove_source(&mut self, index: usize) -> Summary {
        self.corpus.remove(index);
        self.data = None;
        self.corpus.summary()
    }

    /// Removes all sources of the text, and resets how it is split. A run in progress keeps its token ids.
    pub fn clear_text(&mut self) {
        self.corpus.clear();
        self.data = None;
    }

    /// Chooses how the text is split into training and validation data. A run in progress keeps its own split.
    pub fn hold_back(&mut self, held_back: HeldBack) -> Summary {
        self.corpus.hold_back(held_back);
        self.data = None;
        self.corpus.summary()
    }

    /// Returns the size, the sources and the split of the loaded text.
    pub fn text_summary(&self) -> Summary {
        self.corpus.summary()
    }

    // Tokenizer

    /// Returns the vocabulary size that suits a BPE tokenizer for a text of this length.
    pub fn suggested_vocabulary(&self) -> usize {
        default_vocabulary(self.corpus.summary().characters)
    }

    /// Trains a tokenizer on the text and encodes the text with it. `vocabulary` is the number of tokens of BPE. Merges
    /// are learned from the training split alone; characters are taken from both splits, so that the validation data
    /// can be encoded. Conversations add the turn tokens of the chat template.
    ///
    /// # Errors
    /// [`Error::NoText`] if no text is loaded; [`Error::VocabularySize`] if `vocabulary` is out of range;
    /// [`Error::TokensTooLarge`] if the token ids do not fit into memory; [`Error::Internal`] if the BPE trainer fails.
    pub fn train_tokenizer(&mut self, kind: Kind, vocabulary: Option<usize>) -> Result<TokenizerSummary> {
        if self.corpus.is_empty() {
            return Err(Error::NoText);
        }
        let split = self.corpus.split();
        let chat = self.corpus.has_conversations();
        let tokenizer = match kind {
            Kind::Bpe => {
                let form = NormalForm::of_texts(&[&split.train[..], &split.validation[..]].concat());
                Tokenizer::train_in(form, kind, vocabulary, &spoken(split.train, chat))?
            }
            Kind::Char | Kind::Byte => {
                Tokenizer::train(kind, None, &spoken([split.train, split.validation].concat(), chat))?
            }
        };
        let tokenizer = if chat { tokenizer.with_special_tokens(&chat::TOKENS)? } else { tokenizer };
        self.tokenizer = Some(Rc::new(tokenizer));
        self.data = None;
        self.tokenizer_summary()?.ok_or(Error::NoTokenizer)
    }

    /// Returns the current tokenizer and the number of tokens of the text, or `None` before there is a tokenizer. This
    /// encodes the text if that has not been done.
    ///
    /// # Errors
    /// [`Error::TokensTooLarge`] if the token ids do not fit into memory.
    pub fn tokenizer_summary(&mut self) -> Result<Option<TokenizerSummary>> {
        let Some(tokenizer) = self.tokenizer.clone() else { return Ok(None) };
        let data = match self.corpus.is_empty() {
            true => Rc::new(Dataset::default()),
            false => self.dataset()?,
        };
        let tokens = data.train.len() + data.validation.len();
        Ok(Some(TokenizerSummary {
            kind: tokenizer.kind(),
            vocabulary: tokenizer.vocabulary(),
            train_tokens: data.train.len(),
            validation_tokens: data.validation.len(),
            tokens_per_character: tokens as f64 / self.corpus.summary().characters.max(1) as f64,
        }))
    }

    pub(super) fn dataset(&mut self) -> Result<Rc<Dataset>> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let tokenizer = self.tokenizer.as_ref().ok_or(Error::NoTokenizer)?;
        if self.corpus.is_empty() {
            return Err(Error::NoText);
        }
        let split = self.corpus.split();
        // A tokenizer without turn tokens gets them before training (`add_turn_tokens`).
        let answers = if self.corpus.has_conversations() { answers(tokenizer).ok() } else { None };
        let bytes = || split.validation.iter().map(|document| document.len() as u64).sum();
        self.check_room(tokenizer, &split)?;
        let (train, read_in_train) = encoded(tokenizer, &split.train);
        let (validation, read_in_validation) = encoded(tokenizer, &split.validation);
        let validation_bytes = if answers.is_none() { bytes() } else { 0 };
        let answers = answers.map(|answers| Answers { only_read: [read_in_train, read_in_validation], ..answers });
        let data = Rc::new(Dataset { train, validation, validation_bytes, answers });
        self.data = Some(data.clone());
        Ok(data)
    }

    /// Checks that the ids fit into memory beside their text. Texts are accepted by the largest size of their ids in
    /// the vocabulary of that moment, 2 bytes each before there is one; a model with ids of 4 bytes may be opened
    /// afterwards.
    fn check_room(&self, tokenizer: &Tokenizer, split: &Split) -> Result<()> {
        if TokenIds::width(tokenizer.vocabulary()) == TokenIds::width(0) {
            return Ok(());
        }
        let bytes = tokenizer.bytes_of_ids(&split.train) + tokenizer.bytes_of_ids(&split.validation);
        let limit = self.budget.texts.saturating_sub(self.corpus.summary().bytes as u64);
        if bytes > limit { Err(Error::TokensTooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// Returns the number of ids of the current tokenizer, if there is one.
    pub fn vocabulary(&self) -> Option<usize> {
        self.tokenizer.as_ref().map(|tokenizer| tokenizer.vocabulary())
    }

    fn tokenizer(&self) -> Result<&Tokenizer> {
        self.tokenizer.as_deref().ok_or(Error::NoTokenizer)
    }

    /// Cuts a text into pieces along its tokens, for display. A conversation is encoded with the chat template.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer.
    pub fn preview_tokens(&self, text: &str) -> Result<Vec<Piece>> {
        let tokenizer = self.tokenizer()?;
        Ok(tokenizer.pieces(&chat::as_read(text, tokenizer.turns())))
    }

    /// Returns the loss mask of a text: whether each of its tokens counts as a target. All do unless the loaded text
    /// has conversations.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer.
    pub fn loss_mask_of(&self, text: &str) -> Result<Vec<bool>> {
        let tokenizer = self.tokenizer()?;
        let ids = TokenIds::from(tokenizer.encode(&chat::as_read(text, tokenizer.turns())));
        let answers = if self.corpus.has_conversations() { answers(tokenizer).ok() } else { None };
        let Some(answers) = answers else { return Ok(vec![true; ids.len()]) };
        let only_read = [places_only_read(tokenizer, &[text], &ids), Vec::new()];
        let answers = Answers { only_read, ..answers };
        Ok(answers.loss_mask(Side::Train, &ids, 0, ids.len()).collect())
    }

    /// Returns the distinct characters of a text that the current tokenizer has no token for.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer.
    pub fn unknown_characters(&self, text: &str) -> Result<String> {
        Ok(self.tokenizer()?.unknown_characters(text).into_iter().collect())
    }

    /// Encodes a text to token ids with the current tokenizer.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.tokenizer()?.encode(text))
    }

    /// Decodes token ids to text with the current tokenizer.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer; [`Error::TokenOutOfRange`] if an id is outside its vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokenizer()?.decode(ids)
    }
}

/// Documents for training a tokenizer, without the turn tokens of conversations.
fn spoken(documents: Vec<&str>, chat: bool) -> Vec<&str> {
    if chat { documents.into_iter().flat_map(chat::words).collect() } else { documents }
}

/// The ids of documents, and the positions of assistant turns that do not count.
fn encoded(tokenizer: &Tokenizer, documents: &[&str]) -> (TokenIds, Vec<u32>) {
    let as_read = |document| chat::as_read(document, tokenizer.turns());
    if documents.iter().all(|document| matches!(as_read(document), Cow::Borrowed(_))) {
        return (tokenizer.encode_documents(documents), Vec::new());
    }
    let texts: Vec<_> = documents.iter().map(|document| as_read(document)).collect();
    let ids = tokenizer.encode_documents(&texts.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let places = places_only_read(tokenizer, documents, &ids);
    (ids, places)
}

/// The positions of assistant turns that do not count, in the ids of these documents; empty if the tokenizer has no
/// turn tokens.
fn places_only_read(tokenizer: &Tokenizer, documents: &[&str], ids: &TokenIds) -> Vec<u32> {
    let Some([_, _, assistant, _]) = tokenizer.turn_ids() else { return Vec::new() };
    let begins = (0..).zip(ids.iter()).filter(|(_, id)| *id == assistant).map(|(place, _)| place);
    let only_read = documents.iter().flat_map(|document| chat::only_read(document));
    begins.zip(only_read).filter(|(_, only_read)| *only_read).map(|(place, _)| place).collect()
}

/// The ids of the turn tokens.
pub(super) fn answers(tokenizer: &Tokenizer) -> Result<Answers> {
    let tokens = tokenizer.turn_ids().ok_or(Error::TokenizerWithoutTurns)?;
    Ok(Answers { tokens, end_of_text: tokenizer.end_of_text(), only_read: Default::default() })
}
