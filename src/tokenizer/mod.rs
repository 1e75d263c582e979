//! Text to ids and back: characters, bytes, or byte-level BPE.
//!
//! A tokenizer is saved as the `tokenizer.json` of Hugging Face's `tokenizers`, which opens it and encodes to the same
//! ids. That crate trains the merges here; the encoding is our own, as its engine for every kind of tokenizer would
//! add half a megabyte to the page and take several times as long. The tests hold the two against each other.
//!
//! `<|endoftext|>` is a token in all three kinds: the last id where we made them, never a result of merges, and found
//! wherever a text spells it out.

mod alphabet;
mod bpe;
mod byte_level;
mod file;
mod normal_form;
mod open;
mod pieces;
mod scheme;
mod special;
mod split;
mod tokens;
mod train;
mod unicode;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
pub use byte_level::{ByteLevel, TokenClass};
pub use file::END_OF_TEXT;
use file::File;
pub use normal_form::NormalForm;
pub use pieces::Piece;
use scheme::{Encoder, Scheme};
use special::{Segment, Specials};
pub use tokens::StreamDecoder;
use tokens::Tokens;
pub use train::{VOCABULARY, default_vocabulary};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Kind {
    /// A character of the text it was made from. Others are left out.
    Char,
    /// A byte of UTF-8; its id is the byte.
    Byte,
    /// Bytes that often stand together within a word, as GPT-2's.
    Bpe,
}

/// Ids of 16 bits, as a text is held for training.
const LARGEST_FOR_DOCUMENTS: usize = 1 << 16;

/// Cheap to clone, but for the merges.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    scheme: Scheme,
    tokens: Arc<Tokens>,
    specials: Specials,
    /// In which it reads a text, added tokens aside.
    form: NormalForm,
    end_of_text: u32,
    /// Tokens of the model; added tokens may follow.
    listed: usize,
}

impl Tokenizer {
    /// Makes a tokenizer from a text.
    ///
    /// `vocabulary` counts for BPE alone: 300 to 32,768, or by default what suits the text's length. A short text may
    /// give fewer tokens than asked for, since pairs that do not repeat are never merged. Merges are learned from all
    /// of the text up to 20 MB, and from an evenly spread sample of 20 MB of a longer one.
    pub fn train(kind: Kind, vocabulary: Option<usize>, documents: &[&str]) -> Result<Self> {
        Self::train_in(NormalForm::of_texts(documents), kind, vocabulary, documents)
    }

    /// The same in a form that more of the text than these documents has decided.
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

    /// Opens a `tokenizer.json`: one of ours, or another of byte-level BPE with GPT-2's pre-tokenisation and an
    /// `<|endoftext|>`. What would encode otherwise than here (a normalizer but NFC, another pre-tokenizer, ...) is refused;
    /// truncation, padding and what a post-processor adds around a text are left aside.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        Self::from_file(File::read(json)?)
    }

    /// Opens GPT-2's older pair of files, `vocab.json` and `merges.txt`, as the `tokenizer.json` that says the same.
    pub fn from_vocabulary(vocabulary: &[u8], merges: &[u8]) -> Result<Self> {
        Self::from_file(File::of_pair(vocabulary, merges)?)
    }

    /// This tokenizer with further special tokens, whose ids follow its own; those that it has already stay.
    pub fn with_special_tokens(&self, contents: &[&str]) -> Result<Self> {
        let mut file = File::read(self.to_json().as_bytes())?;
        let new = contents.iter().filter(|content| self.special_token(content).is_none());
        let added = (self.vocabulary() as u32..).zip(new).map(|(id, content)| file::AddedToken::special(id, content));
        file.added_tokens.extend(added);
        Self::from_file(file)
    }

    /// The id of a text that is one token wherever it stands.
    pub fn special_token(&self, content: &str) -> Option<u32> {
        self.specials.tokens().iter().find(|token| token.content == content).map(|token| token.id)
    }

    pub fn kind(&self) -> Kind {
        match self.scheme {
            Scheme::Characters(_) => Kind::Char,
            Scheme::Bytes(_) => Kind::Byte,
            Scheme::Words(_) => Kind::Bpe,
        }
    }

    /// Number of ids.
    pub fn vocabulary(&self) -> usize {
        self.tokens.len()
    }

    /// The id between documents, which ends generation.
    pub fn end_of_text(&self) -> u32 {
        self.end_of_text
    }

    /// The ids of a text, without any around it: of its letters in NFC, where the tokenizer says so. Unknown characters are
    /// left out.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        self.each_id(&mut self.scheme.encoder(), text, &mut |id| ids.push(id));
        ids
    }

    /// The ids of all documents, each followed by the end of text. Holds 2 bytes a token and little besides.
    pub fn encode_documents(&self, documents: &[&str]) -> Result<Vec<u16>> {
        if self.vocabulary() > LARGEST_FOR_DOCUMENTS {
            return Err(Error::VocabularySize { asked: self.vocabulary(), min: 1, max: LARGEST_FOR_DOCUMENTS });
        }
        let mut ids: Vec<u16> = Vec::with_capacity(self.estimate(documents));
        let mut encoder = self.scheme.encoder();
        for document in documents {
            self.each_id(&mut encoder, document, &mut |id| push(&mut ids, id));
            push(&mut ids, self.end_of_text);
        }
        return Ok(ids);

        /// Doubling would hold three times what is needed at the last.
        fn push(ids: &mut Vec<u16>, id: u32) {
            if ids.len() == ids.capacity() {
                ids.reserve_exact(ids.len() / 8 + 1024);
            }
            ids.push(id as u16);
        }
    }

    /// Visits the ids of a text.
    fn each_id<'t>(&self, encoder: &mut Encoder<'_, 't>, text: &'t str, emit: &mut impl FnMut(u32)) {
        self.specials.first(text, |segment| match segment {
            Segment::Special(id, _) => emit(id),
            Segment::Text(text) => self.form.each(text, |text| match text {
                Cow::Borrowed(text) => self.each_ordinary(encoder, text, emit),
                // An encoder remembers words of texts that outlive it, so this one gets its own.
                Cow::Owned(text) => self.each_ordinary(&mut self.scheme.encoder(), &text, emit),
            }),
        });
    }

    /// Visits the ids of a text in the tokenizer's form.
    fn each_ordinary<'t>(&self, encoder: &mut Encoder<'_, 't>, text: &'t str, emit: &mut impl FnMut(u32)) {
        self.specials.second(text, |segment| match segment {
            Segment::Special(id, _) => emit(id),
            Segment::Text(text) => encoder.encode(text, emit),
        });
    }

    /// Visits the segments of a text in the tokenizer's form.
    fn each_segment(&self, text: &str, mut visit: impl FnMut(Segment)) {
        self.specials.first(text, |segment| match segment {
            Segment::Text(text) => self.specials.second(&self.form.of(text), &mut visit),
            special => visit(special),
        });
    }

    /// About how many ids documents become, rather a little too many.
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
        tokens + documents.len()
    }

    /// The text of ids, added tokens included; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.tokens.decode(ids)
    }

    /// A decoder for ids that come one at a time.
    pub fn decoder(&self) -> StreamDecoder {
        StreamDecoder::new(self.tokens.clone())
    }

    /// One token for the eye: bytes that are no whole character as `<0xC3>`. Empty outside the vocabulary.
    pub fn token_text(&self, id: u32) -> String {
        self.tokens.text(id)
    }

    /// The distinct characters of a text that [`encode`](Self::encode) leaves out, in the order of their code points.
    pub fn unknown_characters(&self, text: &str) -> Vec<char> {
        let mut unknown = BTreeSet::new();
        if let Scheme::Characters(known) = &self.scheme {
            self.each_segment(text, |segment| {
                if let Segment::Text(text) = segment {
                    unknown.extend(text.chars().filter(|&character| known.id(character).is_none()));
                }
            });
        }
        unknown.into_iter().collect()
    }
}
