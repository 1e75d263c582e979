//! Encodes text as token ids and decodes ids: characters, bytes, or byte-level BPE.
//!
//! A tokenizer is saved as the `tokenizer.json` of Hugging Face's `tokenizers`, which opens it and encodes to the same
//! ids. That crate trains the merges here; encoding is our own code, because its engine for every kind of tokenizer
//! would add half a megabyte to the page and take several times as long. The tests compare the two.
//!
//! `<|endoftext|>` is a token in all three kinds that are trained here: the last id, never the result of merges, and
//! matched wherever a text spells it out. Tokenizers from elsewhere have the end-of-text tokens that their files name.

mod alphabet;
mod bpe;
mod byte_level;
mod file;
mod folder;
mod gguf;
mod ids;
mod normal_form;
mod normalizer;
mod open;
mod pieces;
mod roles;
mod scheme;
mod sentence_piece;
mod special;
mod split;
mod split_llama;
mod splitting;
mod templates;
mod tokens;
mod train;
mod turns;
mod unicode;
mod vocabulary;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
pub use byte_level::{ByteLevel, TokenClass};
pub use file::END_OF_TEXT;
use file::File;
pub use folder::{Opened, TOKENIZER_FILES, TURN_TOKENS};
pub use gguf::GgufTokenizer;
pub use ids::TokenIds;
pub use normal_form::NormalForm;
pub use pieces::Piece;
pub use roles::TokenRoles;
use scheme::{Encoder, Scheme};
pub use sentence_piece::SentencePiece;
use special::{Segment, Specials};
use splitting::Splitting;
pub use tokens::StreamDecoder;
use tokens::Tokens;
pub use train::default_vocabulary;
pub use turns::TurnTokens;

/// The kind of tokens of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Kind {
    /// A Unicode character of the training text. Other characters have no token and are left out.
    Char,
    /// A byte of UTF-8, whose value is the token id.
    Byte,
    /// A sequence of bytes within a word, made by the merges of byte-level BPE as in GPT-2.
    Bpe,
}

/// A vocabulary with the rules that encode text to token ids and decode ids to text. A clone copies the merges and
/// shares the tokens.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    scheme: Scheme,
    splitting: Splitting,
    tokens: Arc<Tokens>,
    specials: Specials,
    roles: TokenRoles,
    /// Whether a file stated the roles, beyond the names of tokens.
    roles_are_stated: bool,
    /// The turn tokens, if it has all of them.
    turns: Option<TurnTokens>,
    /// Whether decoding removes a space from the beginning of a text.
    strips_space: bool,
    /// The ids that stand before a text that is read from its beginning.
    begins: Vec<u32>,
    /// The file that it was read from, without its tokens.
    frame: File,
    /// The number of ids in the vocabulary; added tokens may follow.
    listed: usize,
    /// Ids without a token.
    unused: Vec<u32>,
}

/// Encodes texts with a cache that they share.
pub struct TextEncoder<'t> {
    tokenizer: &'t Tokenizer,
    encoder: Encoder<'t>,
}

impl TextEncoder<'_> {
    /// Encodes a text as [`Tokenizer::encode`] does.
    pub fn encode(&mut self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.tokenizer.each_id(&mut self.encoder, text, &mut |id| ids.push(id));
        ids
    }

    /// Encodes a document: with what the tokenizer puts before a text.
    pub fn encode_document(&mut self, text: &str) -> Vec<u32> {
        let mut ids = self.tokenizer.begins.clone();
        self.tokenizer.each_id(&mut self.encoder, text, &mut |id| ids.push(id));
        ids
    }
}

impl Tokenizer {
    /// Trains a tokenizer on a text.
    ///
    /// `vocabulary` is the number of tokens of a BPE tokenizer, from 300 to 32,768; by default it follows from the
    /// length of the text. A short text may give fewer tokens, since a pair that does not repeat is never merged.
    /// Merges are learned from the whole text up to 20 MB, and from an evenly spread sample of 20 MB of a longer text.
    ///
    /// # Errors
    /// [`Error::NoText`] if all documents are empty; [`Error::VocabularySize`] if `vocabulary` is out of range for BPE;
    /// [`Error::Internal`] if the BPE trainer fails.
    pub fn train(kind: Kind, vocabulary: Option<usize>, documents: &[&str]) -> Result<Self> {
        Self::train_in(NormalForm::of_texts(documents), kind, vocabulary, documents)
    }

    /// Trains a tokenizer whose normal form is given, for callers that derive it from more text than these documents.
    ///
    /// # Errors
    /// Those of [`train`](Self::train).
    pub fn train_in(form: NormalForm, kind: Kind, vocabulary: Option<usize>, documents: &[&str]) -> Result<Self> {
        if documents.iter().all(|document| document.is_empty()) {
            return Err(Error::NoText);
        }
        Self::from_file(match kind {
            Kind::Char => train::characters(documents, form)?,
            Kind::Byte => train::bytes(form),
            Kind::Bpe => {
                let characters = || documents.iter().map(|document| document.chars().count()).sum();
                train::merges(vocabulary.unwrap_or_else(|| default_vocabulary(characters())), documents, form)?
            }
        })
    }

    /// Opens a `tokenizer.json`: one of ours, or another BPE whose normalizer, pre-tokenizer and decoder are known: those
    /// of GPT-2, SmolLM, Llama 3, Qwen, and of SentencePiece with byte fallback. The tokens that end a text are
    /// recognised by their names. Truncation and padding are ignored; of the tokens that a post-processor adds those
    /// before a text are kept ([`begins`](Self::begins)).
    ///
    /// # Errors
    /// [`Error::TokenizerInvalid`] if the file is damaged or contradicts itself; [`Error::TokenizerUnsupported`] if it
    /// would encode texts differently from us, for example by another normalizer or pre-tokenizer.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        Self::from_file(File::read(json)?)
    }

    /// Replaces the roles that follow from the names of the tokens by those that other files state.
    pub fn with_roles(self, roles: TokenRoles) -> Self {
        let roles = roles.among(|id| self.has(id));
        let turns = roles.turns.clone().filter(|turns| turns.fit(&self.specials)).or(self.turns);
        Self { roles, roles_are_stated: true, turns, ..self }
    }

    /// Adds special tokens, whose ids follow the existing ones; those that are already there keep their ids.
    ///
    /// # Errors
    /// [`Error::TokenizerInvalid`] if the enlarged tokenizer contradicts itself or has become too large for a file.
    pub fn with_special_tokens(&self, contents: &[&str]) -> Result<Self> {
        let mut file = File::read(self.to_json().as_bytes())?;
        let new = contents.iter().filter(|content| self.special_token(content).is_none());
        for (id, content) in (self.vocabulary() as u32..).zip(new) {
            file.added_tokens.push(file::AddedToken::special(id, content));
            // Where ids have gaps, only the vocabulary shows which id a token has.
            if !self.unused.is_empty() {
                file.model.vocab.resize(id as usize, String::new());
                file.model.vocab.push((*content).to_owned());
            }
        }
        let roles = TokenRoles { chat_template: None, turns: None, ..self.roles.clone() };
        Ok(Self { roles, roles_are_stated: self.roles_are_stated, ..Self::from_file(file)? })
    }

    /// Returns the id of a text that is always encoded as one token.
    pub fn special_token(&self, content: &str) -> Option<u32> {
        self.specials.id(content)
    }

    /// Returns the tokens around the turns of a conversation: those that the files of the model name, or else
    /// [ours](TurnTokens::ours). `None` if the vocabulary lacks one of them, so that the model cannot have been trained
    /// on conversations.
    pub fn turns(&self) -> Option<&TurnTokens> {
        self.turns.as_ref()
    }

    /// Returns the ids of [`turns`](Self::turns): system, user, assistant, end of a turn.
    pub fn turn_ids(&self) -> Option<[u32; 4]> {
        let [system, user, assistant, end] = self.turns()?.contents().map(|content| self.special_token(content));
        Some([system?, user?, assistant?, end?])
    }

    /// Returns whether the tokens are characters, bytes or merged bytes.
    pub fn kind(&self) -> Kind {
        match self.scheme {
            Scheme::Characters(_) => Kind::Char,
            Scheme::Bytes(_) => Kind::Byte,
            Scheme::Words(_) => Kind::Bpe,
        }
    }

    /// Returns the number of ids, including [unused](Self::unused) ones.
    pub fn vocabulary(&self) -> usize {
        self.tokens.len()
    }

    /// Returns the ids below [`vocabulary`](Self::vocabulary) that no token has: no text is encoded to them.
    pub fn unused(&self) -> &[u32] {
        &self.unused
    }

    fn has(&self, id: u32) -> bool {
        (id as usize) < self.vocabulary() && self.unused.binary_search(&id).is_err()
    }

    /// Returns which tokens begin and end a text, and the names that transformers give to them.
    pub fn roles(&self) -> &TokenRoles {
        &self.roles
    }

    /// Returns the roles if files stated more than the names of the tokens do.
    pub fn stated_roles(&self) -> Option<&TokenRoles> {
        self.roles_are_stated.then_some(&self.roles)
    }

    /// Returns the id of the token between documents, if there is one.
    pub fn end_of_text(&self) -> Option<u32> {
        self.roles.ends.first().copied()
    }

    /// Returns the id that generation without a prompt begins with: the beginning-of-text token, or else the one
    /// between documents, or else a line feed.
    pub fn start(&self) -> u32 {
        let line = || self.encode("\n").first().copied();
        self.roles.start.or_else(|| self.end_of_text()).or_else(line).unwrap_or(0)
    }

    /// Returns the ids that the post-processor of the tokenizer puts before a text, such as the beginning-of-text token.
    pub fn begins(&self) -> &[u32] {
        &self.begins
    }

    /// Encodes a text that a model reads from its beginning: with [`begins`](Self::begins) before it.
    pub fn encode_from_start(&self, text: &str) -> Vec<u32> {
        [&self.begins[..], &self.encode(text)].concat()
    }

    /// Returns the ids of the special tokens that separate documents and turns.
    pub fn borders(&self) -> impl Iterator<Item = u32> {
        let ends = self.roles.ends.iter().copied();
        let special = self.specials.tokens().iter().filter(|token| token.special).map(|token| token.id);
        ends.chain(self.roles.start).chain(special)
    }

    /// Returns the bytes that an id decodes to; none if it is outside the vocabulary.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.tokens.get(id).unwrap_or_default()
    }

    /// Encodes a text to token ids, without adding any around it. The text is brought into NFC first if the tokenizer
    /// says so. Characters without a token are left out.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.each_id(&mut self.scheme.encoder(), text, &mut |id| ids.push(id));
        ids
    }

    /// Returns an encoder for many short texts, which remembers the words that it has met.
    pub fn encoder(&self) -> TextEncoder<'_> {
        TextEncoder { tokenizer: self, encoder: self.scheme.encoder() }
    }

    /// Whether an id is a special token, which is no text.
    pub fn is_special(&self, id: u32) -> bool {
        self.specials.tokens().iter().any(|token| token.id == id && token.special)
    }

    /// Returns a text that spells no special token: a space comes after the first character of each.
    pub fn without_special_tokens<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.specials.broken_up(text)
    }

    /// Encodes a text that goes on with another one: without the space that some tokenizers add to the beginning.
    pub fn encode_on(&self, text: &str) -> Vec<u32> {
        // A character before the text takes that space; no token has it with another one.
        let before = '\u{1}';
        match self.strips_space && !text.is_empty() {
            true => {
                self.encode(&format!("{before}{text}"))[self.encode(before.encode_utf8(&mut [0; 4])).len()..].to_vec()
            }
            false => self.encode(text),
        }
    }

    /// Encodes all documents, each after [`begins`](Self::begins) and followed by the end-of-text token if there is one. It needs little memory besides
    /// the ids.
    pub fn encode_documents(&self, documents: &[&str]) -> TokenIds {
        match TokenIds::width(self.vocabulary()) {
            2 => TokenIds::narrow(self.encode_all(documents, |id| id as u16)),
            _ => TokenIds::wide(self.encode_all(documents, |id| id)),
        }
    }

    /// The ids of all documents in one integer type: choosing the width for each id made encoding of characters take
    /// half as long again.
    fn encode_all<T>(&self, documents: &[&str], number: impl Fn(u32) -> T) -> Vec<T> {
        let mut ids = Vec::with_capacity(self.estimate(documents));
        // Doubling the capacity would take three times the needed memory at the end.
        let mut push = |id| {
            if ids.len() == ids.capacity() {
                ids.reserve_exact(ids.len() / 8 + 1024);
            }
            ids.push(number(id));
        };
        let mut encoder = self.scheme.encoder();
        for document in documents {
            self.begins.iter().copied().for_each(&mut push);
            self.each_id(&mut encoder, document, &mut push);
            self.end_of_text().into_iter().for_each(&mut push);
        }
        ids
    }

    /// Calls `emit` for each id of a text.
    fn each_id(&self, encoder: &mut Encoder, text: &str, emit: &mut impl FnMut(u32)) {
        let mut is_first = true;
        self.specials.each(text, |segment| match segment {
            Segment::Special(id, _) => {
                is_first = false;
                emit(id);
            }
            Segment::Text(text) => {
                self.splitting.each(text, std::mem::take(&mut is_first), |stretch, _| encoder.encode(stretch, emit));
            }
        });
    }

    /// Estimates the bytes of memory that [`encode_documents`](Self::encode_documents) will take; the estimate is
    /// rather too high.
    pub fn bytes_of_ids(&self, documents: &[&str]) -> u64 {
        (self.estimate(documents) * TokenIds::width(self.vocabulary())) as u64
    }

    /// Estimates the number of ids of documents, rather a little too high.
    fn estimate(&self, documents: &[&str]) -> usize {
        let tokens: usize = match self.scheme {
            Scheme::Characters(_) => documents.iter().map(|document| document.chars().count()).sum(),
            Scheme::Bytes(_) => documents.iter().map(|document| document.len()).sum(),
            Scheme::Words(_) => {
                let blocks = train::sample(documents, 1 << 18);
                let sampled: usize = blocks.iter().map(|block| block.len()).sum();
                let mut encoder = self.scheme.encoder();
                let mut tokens = 0;
                for block in &blocks {
                    self.each_id(&mut encoder, block, &mut |_| tokens += 1);
                }
                let bytes: usize = documents.iter().map(|document| document.len()).sum();
                (bytes as f64 * 1.02 * tokens as f64 / sampled.max(1) as f64) as usize
            }
        };
        tokens + documents.len() * (1 + self.begins.len())
    }

    /// Decodes token ids to text, special tokens included; bytes that are not valid UTF-8 become U+FFFD. The space that
    /// some tokenizers add to the beginning of a text is removed.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut text = self.tokens.decode(ids)?;
        if self.strips_space && text.starts_with(' ') {
            text.remove(0);
        }
        Ok(text)
    }

    /// Returns a decoder for ids that arrive one at a time and go on with a text, so that it keeps their first space.
    pub fn decoder(&self) -> StreamDecoder {
        StreamDecoder::new(self.tokens.clone())
    }

    /// Returns one token for display, with bytes that are not a whole character written as `<0xC3>`. The text is empty
    /// if the id is outside the vocabulary.
    pub fn token_text(&self, id: u32) -> String {
        self.tokens.text(id)
    }

    /// Returns the distinct characters of a text that [`encode`](Self::encode) leaves out, in the order of their code
    /// points.
    pub fn unknown_characters(&self, text: &str) -> Vec<char> {
        let mut unknown = BTreeSet::new();
        let is_known = |character: char| match &self.scheme {
            Scheme::Characters(known) => known.id(character).is_some(),
            Scheme::Bytes(_) => true,
            Scheme::Words(merges) => merges.knows(character),
        };
        self.specials.each(text, |segment| {
            if let Segment::Text(text) = segment {
                unknown.extend(text.chars().filter(|&character| !is_known(character)));
            }
        });
        unknown.into_iter().collect()
    }
}
