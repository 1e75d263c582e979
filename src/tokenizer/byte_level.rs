//! Converts a tokenizer to byte-level BPE, for llama.cpp. Its ids stay the same. Those of SentencePiece are converted in
//! `sentence_piece.rs`.
//!
//! Words are byte-level BPE already, and bytes are BPE without merges. For characters, merges build each character of
//! several bytes from its first byte on. No such merge crosses into the next character, because it would have to begin
//! inside one, and pre-tokenisation cuts only between characters. A character without a token is encoded as bytes
//! without tokens, which llama.cpp drops, as Lorito does.

use std::collections::{HashMap, HashSet};

use super::file::{AddedToken, invalid};
use super::scheme::Scheme;
use super::split::Pattern;
use super::{Tokenizer, alphabet};
use crate::error::{Error, Result};

/// The token types of llama.cpp, which control how a program treats a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenClass {
    /// A byte, or the result of a merge; of SentencePiece's a character, or the result of a merge.
    Ordinary,
    /// A byte of SentencePiece's, for characters without a token.
    Byte,
    /// It is found in a text before pre-tokenisation, and decoded like other text.
    Added,
    /// It is encoded only if a program asks for it, and left out of decoded text.
    Special,
    /// A placeholder for an id that no token has.
    Unused,
}

/// A vocabulary and merges of byte-level BPE: tokens in the order of their ids, and merges in the order of their ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteLevel {
    /// An ordinary token is spelled in the byte alphabet of GPT-2, others as they occur in a text. All spellings
    /// differ.
    pub tokens: Vec<(String, TokenClass)>,
    /// The two spellings that each merge joins. Inside a character the result need not be a token.
    pub merges: Vec<(String, String)>,
    /// llama.cpp's name of the pre-tokenisation (`llama-vocab.cpp`).
    pub pre: &'static str,
}

impl Tokenizer {
    /// Converts the tokenizer to byte-level BPE with the same ids. llama.cpp does not normalise texts to NFC, so it
    /// encodes the decomposed characters of a text differently.
    ///
    /// # Errors
    /// [`Error::TokenizerInvalid`] if two tokens have the same spelling, as a character and an added token can;
    /// [`Error::TokenizerNotInLlamaCpp`] if llama.cpp would cut texts differently.
    pub fn byte_level(&self) -> Result<ByteLevel> {
        let pre = self.pre_tokenisation().map_err(|feature| Error::TokenizerNotInLlamaCpp { feature })?;
        let added: HashMap<_, _> = self.specials.tokens().iter().map(|token| (token.id, token)).collect();
        let spell = |(id, bytes): (u32, &[u8])| match added.get(&id) {
            Some(token) if token.special => (token.content.clone(), TokenClass::Special),
            Some(token) => (token.content.clone(), TokenClass::Added),
            // The name that llama.cpp's own converter uses.
            None if bytes.is_empty() => (format!("[PAD{id}]"), TokenClass::Unused),
            None => (alphabet::spell(bytes), TokenClass::Ordinary),
        };
        let tokens: Vec<_> = (0..).zip(self.tokens.iter()).map(spell).collect();
        let mut seen = HashSet::new();
        if let Some((twice, _)) = tokens.iter().find(|(token, _)| !seen.insert(token)) {
            return Err(invalid(format!("two tokens are spelled {twice:?}")));
        }
        let merges = match &self.scheme {
            Scheme::Bytes(_) => Vec::new(),
            Scheme::Words(merges) => {
                let name = |id: u32| tokens[id as usize].0.clone();
                merges.in_order().into_iter().map(|(left, right)| (name(left), name(right))).collect()
            }
            Scheme::Characters(_) => {
                let is_ordinary = |(_, (_, class)): &(_, &(_, TokenClass))| *class == TokenClass::Ordinary;
                merges_of_characters(self.tokens.iter().zip(&tokens).filter(is_ordinary).map(|(bytes, _)| bytes))
            }
        };
        Ok(ByteLevel { tokens, merges, pre })
    }

    /// A token of a text that llama.cpp would find in other places.
    pub(super) fn bound_token(&self) -> Option<&AddedToken> {
        let mut shown = self.specials.tokens().iter().filter(|token| !token.special);
        shown.find(|token| token.single_word || token.lstrip || token.rstrip)
    }

    /// llama.cpp's name of the pre-tokenisation, or the feature of this tokenizer that it has not.
    fn pre_tokenisation(&self) -> std::result::Result<&'static str, String> {
        if let Some(token) = self.bound_token() {
            return Err(format!("added token {:?}", token.content));
        }
        if self.splitting.prefix_space {
            return Err("add_prefix_space".to_owned());
        }
        let Scheme::Words(merges) = &self.scheme else { return Ok("gpt-2") };
        let ignores_merges = self.frame.model.ignore_merges;
        match (merges.pattern, self.splitting.digits) {
            // llama.cpp ignores merges for each tokenizer of this name, as Llama 3 does.
            (Pattern::Llama { digits: 3 }, None) if ignores_merges => Ok("llama-bpe"),
            _ if ignores_merges => Err("ignore_merges".to_owned()),
            (Pattern::Gpt2, None) => Ok("gpt-2"),
            (Pattern::Gpt2, Some(true)) => Ok("smollm"),
            (Pattern::Llama { digits: 1 }, None) => Ok("qwen2"),
            (Pattern::Gpt2, Some(false)) => Err("pre-tokenizer Digits".to_owned()),
            (Pattern::Llama { .. }, _) => Err("pre-tokenizer Split without ignore_merges".to_owned()),
            (Pattern::EachMark | Pattern::Marks | Pattern::Whole, _) => Err("byte_fallback".to_owned()),
        }
    }
}

/// Merges that append each byte of a character to the ones before it; characters with a common beginning share merges.
fn merges_of_characters<'a>(characters: impl Iterator<Item = &'a [u8]>) -> Vec<(String, String)> {
    let mut seen = HashSet::new();
    let starts = characters.flat_map(|bytes| (2..=bytes.len()).map(move |end| &bytes[..end]));
    let new = starts.filter(|start| seen.insert(*start));
    new.map(|start| start.split_at(start.len() - 1))
        .map(|(before, last)| (alphabet::spell(before), alphabet::spell(last)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Kind;

    fn pairs(merges: &[(String, String)]) -> Vec<(&str, &str)> {
        merges.iter().map(|(left, right)| (&left[..], &right[..])).collect()
    }

    #[test]
    fn bytes_of_a_character_are_merged_from_the_first_on() {
        let tokenizer = Tokenizer::train(Kind::Char, None, &["añ日本"]).unwrap();
        let ByteLevel { tokens, merges, .. } = tokenizer.byte_level().unwrap();
        // ñ is C3 B1, 日 E6 97 A5, 本 E6 9C AC; the alphabet writes the bytes 97 and 9C as ĸ and ľ...
        let [x97, x9c] = [0x97, 0x9c].map(|byte| alphabet::spell(&[byte]));
        let texts: Vec<_> = tokens.iter().map(|(text, _)| &text[..]).collect();
        assert_eq!(texts, ["a", "Ã±", &format!("æ{x97}¥"), &format!("æ{x9c}¬"), "<|endoftext|>"]);
        assert_eq!(tokens[4].1, TokenClass::Special);
        assert!(tokens[..4].iter().all(|(_, class)| *class == TokenClass::Ordinary));
        let expected =
            [("Ã", "±"), ("æ", &x97), (&format!("æ{x97}")[..], "¥"), ("æ", &x9c), (&format!("æ{x9c}")[..], "¬")];
        assert_eq!(pairs(&merges), expected);
    }

    #[test]
    fn characters_with_a_common_beginning_share_merges() {
        let tokenizer = Tokenizer::train(Kind::Char, None, &["🦜🦝"]).unwrap();
        // The first three bytes are equal, the fourth differs.
        assert_eq!(tokenizer.byte_level().unwrap().merges.len(), 4);
    }

    #[test]
    fn byte_tokenizers_have_no_merges_and_bpe_keeps_its_own() {
        let bytes = Tokenizer::train(Kind::Byte, None, &["a"]).unwrap().byte_level().unwrap();
        assert_eq!((bytes.tokens.len(), bytes.merges.len()), (257, 0));
        assert_eq!(bytes.tokens[32].0, "Ġ");
        let text = "the cat and the hat and the bat ".repeat(8);
        let tokenizer = Tokenizer::train(Kind::Bpe, Some(300), &[&text]).unwrap();
        let words = tokenizer.byte_level().unwrap();
        assert_eq!(words.tokens.len(), tokenizer.vocabulary());
        assert!(!words.merges.is_empty());
        for (left, right) in &words.merges {
            let joined = format!("{left}{right}");
            assert!(words.tokens.iter().any(|(token, _)| *token == joined), "{joined}");
        }
    }

    #[test]
    fn a_character_and_an_added_token_with_the_same_spelling_are_refused() {
        let tokenizer = Tokenizer::train(Kind::Char, None, &["ñ"]).unwrap();
        assert!(tokenizer.with_special_tokens(&["<|end|>"]).unwrap().byte_level().is_ok());
        let clash = tokenizer.with_special_tokens(&["Ã±"]).unwrap();
        assert_eq!(clash.byte_level().unwrap_err().code(), "tokenizer-invalid");
    }
}
