//! SentencePiece's BPE with byte fallback, as GGUF files describe it (`llm_tokenizer_spm` of llama.cpp's
//! `src/llama-vocab.cpp`, release v0.5.0): without merges, but with a score for each token. Of all neighbours that together
//! are a token, those with the highest score are merged first. Merges by ranks do the same if the ranks of what becomes one
//! token follow one another, and if no two such neighbours lack a merge.

use std::collections::{HashMap, HashSet};

use super::Tokenizer;
use super::byte_level::TokenClass;
use super::file::{AddedToken, File, LARGEST_FILE, check, invalid, support, unsupported};
use super::gguf::{CONTROL, GgufTokenizer, UNKNOWN, UNUSED, USER_DEFINED};
use super::open::spell_marks;
use super::scheme::Scheme;
use super::split::Pattern;
use crate::config::LARGEST_VOCABULARY;
use crate::error::{Error, Result};

/// Longer tokens are refused, because each place in a token is a merge that is looked for. Llama's have up to 48 characters.
const LONGEST_TOKEN: usize = 128;

/// Tokens with scores, in the order of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct SentencePiece {
    /// The spelling of each token, with a mark for a space and `<0x0A>` for a byte.
    pub tokens: Vec<(String, TokenClass)>,
    /// The score of each token.
    pub scores: Vec<f32>,
    /// Whether each stretch of text gets a space before it.
    pub adds_space: bool,
}

impl Tokenizer {
    /// Whether tokens are characters with a mark for a space, and bytes for other characters.
    pub fn is_sentence_piece(&self) -> bool {
        matches!(&self.scheme, Scheme::Words(merges) if merges.of_characters())
    }

    /// Converts the tokenizer to SentencePiece's scores, with the same ids.
    ///
    /// # Errors
    /// [`Error::TokenizerNotInLlamaCpp`] if llama.cpp would encode texts differently.
    pub fn sentence_piece(&self) -> Result<SentencePiece> {
        self.scored().map_err(|feature| Error::TokenizerNotInLlamaCpp { feature })
    }

    fn scored(&self) -> std::result::Result<SentencePiece, String> {
        let Scheme::Words(merges) = &self.scheme else { return Err("pre-tokenizer".to_owned()) };
        if let Some(token) = self.bound_token() {
            return Err(format!("added token {:?}", token.content));
        }
        if self.splitting.marks.is_some() || merges.pattern == Pattern::EachMark {
            return Err("pre-tokenizer Metaspace".to_owned());
        }
        let normalizer = self.frame.normalizer().map_err(|error| error.to_string())?;
        let adds_space = normalizer.marks_spaces().ok_or("normalizer")?;
        let added: HashMap<_, _> = self.specials.tokens().iter().map(|token| (token.id, token)).collect();
        let spell = |(id, bytes): (u32, &[u8])| match added.get(&id) {
            Some(token) if token.special => (token.content.clone(), TokenClass::Special),
            Some(token) => (token.content.clone(), TokenClass::Added),
            None if bytes.is_empty() => (format!("[PAD{id}]"), TokenClass::Unused),
            None if merges.is_byte(id) => (spell_marks(bytes, true), TokenClass::Byte),
            None => (spell_marks(bytes, false), TokenClass::Ordinary),
        };
        let tokens: Vec<_> = (0..).zip(self.tokens.iter()).map(spell).collect();
        let ids: HashMap<&str, u32> = (0..).zip(&tokens).map(|(id, (text, _))| (&text[..], id)).collect();
        if ids.len() < tokens.len() {
            return Err("two tokens with one spelling".to_owned());
        }
        let mut scores = vec![0.0; tokens.len()];
        let (mut last, mut count, mut known) = (None, 0, HashSet::new());
        for (left, right) in merges.in_order() {
            let [left, right] = [left, right].map(|id| &tokens[id as usize].0[..]);
            let id = ids.get(&format!("{left}{right}")[..]).copied().ok_or("merges")?;
            if last != Some(id) {
                if scores[id as usize] != 0.0 {
                    return Err("merges".to_owned());
                }
                (last, count) = (Some(id), count + 1);
                scores[id as usize] = -(count as f32);
            }
            known.insert((left, right));
        }
        let ordinary = |text: &str| ids.get(text).is_some_and(|&id| tokens[id as usize].1 == TokenClass::Ordinary);
        for (text, _) in tokens.iter().filter(|(_, class)| *class == TokenClass::Ordinary) {
            let lacks =
                |(left, right): &(&str, &str)| ordinary(left) && ordinary(right) && !known.contains(&(*left, *right));
            if splits(text).any(|split| lacks(&split)) {
                return Err("merges".to_owned());
            }
        }
        Ok(SentencePiece { tokens, scores, adds_space })
    }
}

/// The ways to cut a text of characters in two.
fn splits(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.char_indices().skip(1).map(|(at, _)| text.split_at(at))
}

impl GgufTokenizer<'_> {
    /// The file with these tokens, whose merges follow from the scores.
    pub(super) fn of_scores(&self) -> Result<File> {
        let Self { tokens, types, scores, .. } = self;
        check(tokens.len() <= LARGEST_VOCABULARY, || format!("{} tokens are too many", tokens.len()))?;
        let bytes: usize = tokens.iter().map(|text| text.len()).sum();
        check(bytes <= LARGEST_FILE, || format!("{bytes} bytes are too many"))?;
        for (of, count) in [("types", types.len()), ("scores", scores.len())] {
            check(count == tokens.len(), || format!("{} tokens have {count} {of}", tokens.len()))?;
        }
        check(scores.iter().all(|score| score.is_finite()), || "a score is not finite".to_owned())?;
        let (mut vocabulary, mut added) = (Vec::with_capacity(tokens.len()), Vec::new());
        for (id, (&token, &of)) in (0..).zip(tokens.iter().zip(types)) {
            check(!token.is_empty() || of == UNUSED, || format!("token {id} is empty"))?;
            vocabulary.push(if of == UNUSED { String::new() } else { token.to_owned() });
            if matches!(of, UNKNOWN | CONTROL | USER_DEFINED) {
                added.push(AddedToken { special: of != USER_DEFINED, ..AddedToken::special(id, token) });
            }
        }
        let merges = self.merges_of_scores()?;
        let unknown = self.unknown.and_then(|id| tokens.get(id as usize)).map(|token| (*token).to_owned());
        let file = File::of_marks(added, vocabulary, merges, unknown, self.add_space_prefix.unwrap_or(true));
        file.check_added_tokens()?;
        Ok(file)
    }

    fn merges_of_scores(&self) -> Result<Vec<(String, String)>> {
        /// `llama_token_type`
        const NORMAL: i32 = 1;
        let each = || self.tokens.iter().zip(&self.types).zip(&self.scores);
        let ordinary = || each().filter(|((_, of), _)| **of == NORMAL).map(|((token, _), &score)| (*token, score));
        let known: HashSet<&str> = ordinary().map(|(token, _)| token).collect();
        let mut merges = Vec::new();
        for (token, score) in ordinary() {
            let length = token.chars().count();
            support(length <= LONGEST_TOKEN, || format!("a token of {length} characters"))?;
            let pairs = splits(token).filter(|(left, right)| known.contains(left) && known.contains(right));
            merges.extend(pairs.map(|pair| (score, token, pair)));
        }
        // Of one token first the merge with the longest left half, as in transformers.
        merges.sort_by(|(one, _, (left, _)), (other, _, (right, _))| {
            other.total_cmp(one).then(right.chars().count().cmp(&left.chars().count()))
        });
        // Converters that find no scores write the same for all tokens: then nothing says what is merged first.
        if let Some(pair) = merges.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1) {
            return Err(unsupported(format!("equal scores of {:?} and {:?}", pair[0].1, pair[1].1)));
        }
        check(merges.len() < u32::MAX as usize, || "too many merges".to_owned())?;
        Ok(merges.into_iter().map(|(.., (left, right))| (left.to_owned(), right.to_owned())).collect())
    }

    /// The id of the token that begins a text, if it begins every text; `otherwise`: whether it does where nothing is said.
    pub(super) fn begins_with(&self, otherwise: bool) -> Result<Option<u32>> {
        match self.add_begin.unwrap_or(otherwise) {
            false => Ok(None),
            true => self.begin.map(Some).ok_or_else(|| invalid("add_bos_token without bos_token_id")),
        }
    }
}
