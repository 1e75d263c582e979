//! The session's corpus and its tokens.

use std::rc::Rc;

use super::{Session, TokenizerSummary, conversations};
use crate::{
    chat::{self, ChatEncoder, Encoded},
    corpus::{DocumentPart, FileReader, HeldBack, ReadOptions, Split, Summary, most_documents},
    error::{Error, Result},
    tokenizer::{Kind, NormalForm, Piece, TokenIds, Tokenizer, default_vocabulary},
    train::{Answers, Dataset},
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

    /// Notes that `count` parts of the document that is being read are not in the bytes that are pushed.
    ///
    /// # Errors
    /// [`Error::NoFileOpen`] if no file is being read.
    pub fn note_left_out(&mut self, kind: DocumentPart, count: u64) -> Result<()> {
        self.reader.as_mut().ok_or(Error::NoFileOpen)?.note_left_out(kind, count);
        Ok(())
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
    /// can be encoded. Conversations add the special tokens of ChatML.
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
        let tokenizer = if chat { tokenizer.with_special_tokens(&chat::CHATML_TOKENS)? } else { tokenizer };
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
        let encoder = self.chat_encoder(tokenizer)?;
        let bytes = || split.validation.iter().map(|document| document.len() as u64).sum();
        self.check_room(tokenizer, &split)?;
        let data = match encoder {
            None => Dataset {
                train: tokenizer.encode_documents(&split.train),
                validation: tokenizer.encode_documents(&split.validation),
                validation_bytes: bytes(),
                answers: None,
            },
            Some(mut encoder) => {
                let (train, context_in_train) = conversations::encode(tokenizer, &mut encoder, &split.train)?;
                let (validation, context) = conversations::encode(tokenizer, &mut encoder, &split.validation)?;
                let answers = Answers::new([context_in_train, context]);
                Dataset { train, validation, validation_bytes: 0, answers }
            }
        };
        let data = Rc::new(data);
        self.data = Some(data.clone());
        Ok(data)
    }

    /// The chat template of a tokenizer, if the text has conversations. A tokenizer without one gets it before training
    /// (`add_turn_tokens`).
    fn chat_encoder<'t>(&self, tokenizer: &'t Tokenizer) -> Result<Option<ChatEncoder<'t>>> {
        if self.corpus.has_conversations() { ChatEncoder::new(tokenizer) } else { Ok(None) }
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

    /// Cuts a text into pieces along its tokens, for display. A conversation is written by the chat template.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer; those of the chat template (`chat::ChatEncoder`).
    pub fn preview_tokens(&self, text: &str) -> Result<Vec<Piece>> {
        let tokenizer = self.tokenizer()?;
        let Some(encoder) = self.chat_encoder(tokenizer)? else { return Ok(tokenizer.pieces(text)) };
        match chat::read_preview(text) {
            Some(conversations) => {
                let texts = conversations.iter().map(|(messages, _)| encoder.text(messages, false));
                Ok(tokenizer.pieces(&texts.collect::<Result<String>>()?))
            }
            None => Ok(tokenizer.pieces(text)),
        }
    }

    /// Returns the loss mask of a text: whether each of its tokens counts as a target. All do unless the loaded text
    /// has conversations.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] if there is no tokenizer; those of the chat template (`chat::ChatEncoder`).
    pub fn loss_mask_of(&self, text: &str) -> Result<Vec<bool>> {
        let tokenizer = self.tokenizer()?;
        let plain = || Ok(vec![true; tokenizer.encode(text).len()]);
        let Some(mut encoder) = self.chat_encoder(tokenizer)? else { return plain() };
        match chat::read_preview(text) {
            Some(conversations) => {
                let mut mask = Vec::new();
                for (messages, only_read) in conversations {
                    let Encoded { ids, learned } = encoder.encode(&messages, &only_read)?;
                    let start = mask.len();
                    mask.resize(start + ids.len(), false);
                    learned.into_iter().for_each(|places| mask[start..][places].fill(true));
                }
                Ok(mask)
            }
            None => plain(),
        }
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

/// Documents for training a tokenizer: of conversations what is said, and the lines that begin turns.
fn spoken(documents: Vec<&str>, chat: bool) -> Vec<&str> {
    if chat { documents.into_iter().flat_map(chat::spoken).collect() } else { documents }
}
