//! Opens a tokenizer from its file, and writes its file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::bpe::Merges;
use super::file::{AddedToken, Cut, File, Model, check, invalid, support, unsupported};
use super::scheme::{Characters, Scheme};
use super::special::Specials;
use super::tokens::Tokens;
use super::{TokenRoles, Tokenizer, TurnTokens, alphabet};
use crate::error::Result;

type Ids<'a> = HashMap<&'a str, u32>;

impl Tokenizer {
    pub(super) fn from_file(file: File) -> Result<Self> {
        let (cut, splitting) = file.cut()?;
        let form = file.form()?;
        let roles = TokenRoles::by_name(&file);
        let File { model, added_tokens, .. } = &file;
        let vocabulary = || model.vocab.iter().map(String::as_str).zip(0u32..).filter(|(token, _)| !token.is_empty());
        let ids: Ids = vocabulary().collect();
        check(ids.len() == vocabulary().count(), || "a token comes twice in the vocabulary".to_owned())?;
        let scheme = match cut {
            Cut::Characters => Scheme::Characters(characters(model, added_tokens)?),
            Cut::Bytes => {
                support(model.merges.is_empty(), || "merges without GPT-2's pre-tokenisation".to_owned())?;
                Scheme::Bytes(bytes(&ids)?)
            }
            Cut::Words => Scheme::Words(merges(model, &ids)?),
        };
        let specials = Specials::new(added_tokens.clone(), form)?;
        let specials = if splitting.prefix_space { specials.in_whole_stretches() } else { specials };
        let turns = Some(TurnTokens::ours()).filter(|turns| turns.fit(&specials));
        let (tokens, unused) = tokens(cut, &model.vocab, &specials)?;
        let listed = model.vocab.len();
        Ok(Self {
            scheme,
            splitting,
            tokens: Arc::new(tokens),
            specials,
            roles,
            roles_are_stated: false,
            turns,
            frame: file.frame(),
            listed,
            unused,
        })
    }

    /// Returns the `tokenizer.json` that opens as this tokenizer, here and in `tokenizers`.
    pub fn to_json(&self) -> String {
        let added: HashMap<_, _> = self.specials.tokens().iter().map(|token| (token.id, &token.content)).collect();
        let spell = |(id, token): (u32, &[u8])| match (added.get(&id), &self.scheme) {
            (Some(&content), _) => content.clone(),
            (None, Scheme::Characters(_)) => String::from_utf8_lossy(token).into_owned(),
            (None, _) => alphabet::spell(token),
        };
        let vocabulary: Vec<_> = (0..).zip(self.tokens.iter()).take(self.listed).map(spell).collect();
        let merges = match &self.scheme {
            Scheme::Characters(_) | Scheme::Bytes(_) => Vec::new(),
            Scheme::Words(merges) => merges.in_order(),
        };
        let name = |id: u32| vocabulary[id as usize].clone();
        let mut file = self.frame.clone();
        file.model.merges = merges.into_iter().map(|(left, right)| (name(left), name(right))).collect();
        file.model.vocab = vocabulary;
        file.added_tokens = self.specials.tokens().to_vec();
        file.write()
    }
}

/// Reads the characters: every token of the vocabulary that is not an added token must be one.
fn characters(model: &Model, added_tokens: &[AddedToken]) -> Result<Characters> {
    support(model.merges.is_empty(), || "merges of characters".to_owned())?;
    support(model.drops_unknown(), || "a token for unknown characters".to_owned())?;
    let added: HashSet<u32> = added_tokens.iter().map(|token| token.id).collect();
    let mut characters = Vec::new();
    for (token, id) in model.vocab.iter().zip(0..).filter(|(token, _)| !token.is_empty()) {
        let mut rest = token.chars();
        match (rest.next(), rest.next()) {
            (Some(character), None) => characters.push((character, id)),
            _ => support(added.contains(&id), || format!("token {token:?} is no character"))?,
        }
    }
    Ok(Characters::new(characters.into_iter()))
}

/// The id of every byte. All must exist, so that every text can be encoded.
fn bytes(ids: &Ids) -> Result<[u32; 256]> {
    let mut table = [0; 256];
    for byte in 0..=255 {
        let character = alphabet::character(byte);
        let id = ids.get(character.encode_utf8(&mut [0; 4]) as &str);
        table[usize::from(byte)] = *id.ok_or_else(|| unsupported(format!("byte {byte:#04x} has no token")))?;
    }
    Ok(table)
}

fn merges(model: &Model, ids: &Ids) -> Result<Merges> {
    let id = |token: &str| ids.get(token).copied().ok_or_else(|| invalid(format!("no token {token:?} for a merge")));
    let mut merges = Vec::with_capacity(model.merges.len());
    for (left, right) in &model.merges {
        merges.push((id(left)?, id(right)?, id(&format!("{left}{right}"))?));
    }
    let merges = Merges::new(bytes(ids)?, merges.into_iter());
    if !model.ignore_merges {
        return Ok(merges);
    }
    let whole = ids.iter().filter_map(|(token, &id)| Some((alphabet::unspell(token)?.into_boxed_slice(), id)));
    Ok(merges.with_whole_words(whole))
}

/// The bytes of each id, and the ids without a token. As in `tokenizers`, an added token that could be spelled bytes is
/// decoded as these bytes.
fn tokens(cut: Cut, vocabulary: &[String], specials: &Specials) -> Result<(Tokens, Vec<u32>)> {
    let added: HashMap<_, _> = specials.tokens().iter().map(|token| (token.id, specials.normal(token))).collect();
    let end = added.keys().map(|&id| id + 1).max().unwrap_or(0).max(vocabulary.len() as u32);
    let (mut tokens, mut unused) = (Tokens::default(), Vec::new());
    for id in 0..end {
        let listed = || vocabulary.get(id as usize).filter(|token| !token.is_empty());
        let Some(token) = added.get(&id).or_else(listed) else {
            tokens.push(&[]);
            unused.push(id);
            continue;
        };
        match alphabet::unspell(token) {
            Some(bytes) if cut != Cut::Characters => tokens.push(&bytes),
            _ => {
                let readable = cut == Cut::Characters || added.contains_key(&id);
                support(readable, || format!("token {token:?} is not spelled in bytes"))?;
                tokens.push(token.as_bytes());
            }
        }
    }
    Ok((tokens, unused))
}
