//! A tokenizer from its file, and the file of a tokenizer.

use std::collections::HashMap;
use std::sync::Arc;

use super::bpe::Merges;
use super::file::{AddedToken, Cut, END_OF_TEXT, File, Model, check, invalid};
use super::normal_form::NormalForm;
use super::scheme::{Characters, Scheme};
use super::special::Specials;
use super::tokens::Tokens;
use super::{Tokenizer, alphabet};
use crate::error::Result;

type Ids<'a> = HashMap<&'a str, u32>;

impl Tokenizer {
    pub(super) fn from_file(file: File) -> Result<Self> {
        let cut = file.cut()?;
        let form = NormalForm::of_file(file.normalizer.as_ref())?;
        let File { model, added_tokens, .. } = file;
        let end_of_text = added_tokens.iter().find(|token| token.content == END_OF_TEXT).map(|token| token.id);
        let end_of_text = end_of_text.ok_or_else(|| invalid(format!("no added token {END_OF_TEXT}")))?;
        let ids: Ids = model.vocab.iter().map(String::as_str).zip(0..).collect();
        check(ids.len() == model.vocab.len(), || "a token comes twice in the vocabulary".to_owned())?;
        check(!ids.contains_key(""), || "a token is empty".to_owned())?;
        let scheme = match cut {
            Cut::Characters => Scheme::Characters(characters(&model, &added_tokens)?),
            Cut::Bytes => {
                check(model.merges.is_empty(), || "merges without GPT-2's pre-tokenisation".to_owned())?;
                Scheme::Bytes(bytes(&ids)?)
            }
            Cut::Words => Scheme::Words(merges(&model, &ids)?),
        };
        let tokens = Arc::new(tokens(cut, &model.vocab, &added_tokens)?);
        let specials = Specials::new(added_tokens, form);
        Ok(Self { scheme, tokens, specials, form, end_of_text, listed: model.vocab.len() })
    }

    /// The `tokenizer.json` that opens as this tokenizer, here and in `tokenizers`.
    pub fn to_json(&self) -> String {
        let added: HashMap<_, _> = self.specials.tokens().iter().map(|token| (token.id, &token.content)).collect();
        let spell = |(id, token): (u32, &[u8])| match (added.get(&id), &self.scheme) {
            (Some(&content), _) => content.clone(),
            (None, Scheme::Characters(_)) => String::from_utf8_lossy(token).into_owned(),
            (None, _) => alphabet::spell(token),
        };
        let vocabulary: Vec<_> = (0..).zip(self.tokens.iter()).take(self.listed).map(spell).collect();
        let (cut, merges) = match &self.scheme {
            Scheme::Characters(_) => (Cut::Characters, Vec::new()),
            Scheme::Bytes(_) => (Cut::Bytes, Vec::new()),
            Scheme::Words(merges) => (Cut::Words, merges.in_order()),
        };
        let name = |id: u32| vocabulary[id as usize].clone();
        let merges = merges.into_iter().map(|(left, right)| (name(left), name(right))).collect();
        File::new(cut, self.specials.tokens().to_vec(), vocabulary, merges).in_form(self.form).write()
    }
}

/// Every token of the vocabulary that is no added one must be a character.
fn characters(model: &Model, added_tokens: &[AddedToken]) -> Result<Characters> {
    check(model.merges.is_empty(), || "merges of characters".to_owned())?;
    check(model.drops_unknown(), || "a token for unknown characters".to_owned())?;
    let mut characters = Vec::new();
    for (token, id) in model.vocab.iter().zip(0..) {
        let mut rest = token.chars();
        match (rest.next(), rest.next()) {
            (Some(character), None) => characters.push((character, id)),
            _ => check(is_added(added_tokens, id), || format!("token {token:?} is no character"))?,
        }
    }
    Ok(Characters::new(characters.into_iter()))
}

/// The id of every byte. All must be there, so that no text is unknown.
fn bytes(ids: &Ids) -> Result<[u32; 256]> {
    let mut table = [0; 256];
    for byte in 0..=255 {
        let character = alphabet::character(byte);
        let id = ids.get(character.encode_utf8(&mut [0; 4]) as &str);
        table[usize::from(byte)] = *id.ok_or_else(|| invalid(format!("byte {byte:#04x} has no token")))?;
    }
    Ok(table)
}

fn merges(model: &Model, ids: &Ids) -> Result<Merges> {
    let id = |token: &str| ids.get(token).copied().ok_or_else(|| invalid(format!("no token {token:?} for a merge")));
    let mut merges = Vec::with_capacity(model.merges.len());
    for (left, right) in &model.merges {
        merges.push((id(left)?, id(right)?, id(&format!("{left}{right}"))?));
    }
    Ok(Merges::new(bytes(ids)?, merges.into_iter()))
}

/// What each id decodes to. As in `tokenizers`, an added token that could be spelled bytes is taken for them.
fn tokens(cut: Cut, vocabulary: &[String], added_tokens: &[AddedToken]) -> Result<Tokens> {
    let mut tokens = Tokens::default();
    let outside = added_tokens.iter().filter(|token| token.id as usize >= vocabulary.len());
    for (token, id) in vocabulary.iter().chain(outside.map(|token| &token.content)).zip(0..) {
        match alphabet::unspell(token) {
            Some(bytes) if cut != Cut::Characters => tokens.push(&bytes),
            _ => {
                let readable = cut == Cut::Characters || is_added(added_tokens, id);
                check(readable, || format!("token {token:?} is not spelled in bytes"))?;
                tokens.push(token.as_bytes());
            }
        }
    }
    Ok(tokens)
}

fn is_added(added_tokens: &[AddedToken], id: u32) -> bool {
    added_tokens.iter().any(|token| token.id == id)
}
