//! Opens a tokenizer from its file, and writes its file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::bpe::{Merges, Symbols};
use super::file::{AddedToken, Cut, File, Model, check, invalid, support, unsupported};
use super::scheme::{Characters, Scheme, UNKNOWN};
use super::special::Specials;
use super::split::{Pattern, SPACE_MARK};
use super::tokens::Tokens;
use super::{TokenRoles, Tokenizer, TurnTokens, alphabet};
use crate::error::Result;

type Ids<'a> = HashMap<&'a str, u32>;

impl Tokenizer {
    pub(super) fn from_file(file: File) -> Result<Self> {
        let (cut, splitting) = file.cut()?;
        let normalizer = file.normalizer()?;
        let roles = TokenRoles::by_name(&file);
        let File { model, added_tokens, .. } = &file;
        let vocabulary = || model.vocab.iter().map(String::as_str).zip(0u32..).filter(|(token, _)| !token.is_empty());
        let ids: Ids = vocabulary().collect();
        check(ids.len() == vocabulary().count(), || "a token comes twice in the vocabulary".to_owned())?;
        let scheme = match cut {
            Cut::Characters => Scheme::Characters(characters(model, added_tokens)?),
            Cut::Bytes => {
                support(model.merges.is_empty(), || "merges without GPT-2's pre-tokenisation".to_owned())?;
                Scheme::Bytes(all_bytes(&ids)?)
            }
            Cut::Words(pattern) => Scheme::Words(merges(model, &ids, Symbols::Bytes(bytes(model, &ids)?), pattern)?),
            Cut::Marks { splits } => {
                let pattern = match splits {
                    true => Pattern::EachMark,
                    false if model.merges_within_marks() => Pattern::Marks,
                    false => Pattern::Whole,
                };
                Scheme::Words(merges(model, &ids, with_byte_fallback(model, &ids)?, pattern)?)
            }
        };
        let specials = Specials::new(added_tokens.clone(), normalizer)?;
        let in_whole_stretches = splitting.prefix_space || splitting.marks.is_some();
        let specials = if in_whole_stretches { specials.in_whole_stretches() } else { specials };
        let turns = Some(TurnTokens::ours()).filter(|turns| turns.fit(&specials));
        let (tokens, unused) = tokens(cut, &model.vocab, &specials)?;
        let listed = model.vocab.len();
        let (strips_space, begins) = (file.strips_space(), file.begins());
        Ok(Self {
            scheme,
            splitting,
            tokens: Arc::new(tokens),
            specials,
            roles,
            roles_are_stated: false,
            turns,
            strips_space,
            begins,
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
            (None, Scheme::Words(merges)) if merges.of_characters() => spell_marks(token, merges.is_byte(id)),
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

/// The id of each byte, or [`UNKNOWN`].
fn byte_ids(ids: &Ids, spell: impl Fn(u8) -> String) -> [u32; 256] {
    std::array::from_fn(|byte| ids.get(&spell(byte as u8)[..]).copied().unwrap_or(UNKNOWN))
}

fn of_alphabet(ids: &Ids) -> [u32; 256] {
    byte_ids(ids, |byte| alphabet::character(byte).to_string())
}

/// The id of every byte. All must exist, so that every text can be encoded.
fn all_bytes(ids: &Ids) -> Result<[u32; 256]> {
    let table = of_alphabet(ids);
    match table.iter().position(|&id| id == UNKNOWN) {
        Some(byte) => Err(unsupported(format!("byte {byte:#04x} has no token"))),
        None => Ok(table),
    }
}

/// The id of each byte of a model with merges. SmolLM's lacks some that are in few texts; they are left out of a text
/// unless the file says what else becomes of them.
fn bytes(model: &Model, ids: &Ids) -> Result<[u32; 256]> {
    if model.drops_unknown() { Ok(of_alphabet(ids)) } else { all_bytes(ids) }
}

/// Characters, and the bytes `<0x00>` to `<0xFF>` for those that are no token. All must exist, so that none becomes the
/// token for unknown characters.
fn with_byte_fallback(model: &Model, ids: &Ids) -> Result<Symbols> {
    let bytes = byte_ids(ids, |byte| format!("<0x{byte:02X}>"));
    if let Some(byte) = bytes.iter().position(|&id| id == UNKNOWN) {
        return Err(unsupported(format!("byte_fallback without a token <0x{byte:02X}>")));
    }
    let characters = model.vocab.iter().zip(0..).filter_map(|(token, id)| {
        let mut rest = token.chars();
        rest.next().filter(|_| rest.next().is_none()).map(|character| (character, id))
    });
    Ok(Symbols::Characters { known: Characters::new(characters), bytes })
}

fn merges(model: &Model, ids: &Ids, symbols: Symbols, pattern: Pattern) -> Result<Merges> {
    let id = |token: &str| ids.get(token).copied().ok_or_else(|| invalid(format!("no token {token:?} for a merge")));
    let of_characters = matches!(symbols, Symbols::Characters { .. });
    let mut merges = Vec::with_capacity(model.merges.len());
    for (left, right) in &model.merges {
        merges.push((id(left)?, id(right)?, id(&format!("{left}{right}"))?));
    }
    let merges = Merges::new(symbols, pattern, merges.into_iter());
    if !model.ignore_merges {
        return Ok(merges);
    }
    let spelled = |token: &str| if of_characters { Some(token.as_bytes().to_vec()) } else { alphabet::unspell(token) };
    let whole = ids.iter().filter_map(|(token, &id)| Some((spelled(token)?.into_boxed_slice(), id)));
    Ok(merges.with_whole_words(whole))
}

/// The bytes of a token of SentencePiece's.
fn read_marks(token: &str) -> Vec<u8> {
    let byte = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>')).filter(|hex| hex.len() == 2);
    match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
        Some(byte) => vec![byte],
        None => token.replace(SPACE_MARK, " ").into_bytes(),
    }
}

/// Writes a token as SentencePiece does: the reverse of [`read_marks`].
pub(super) fn spell_marks(token: &[u8], is_byte: bool) -> String {
    match token {
        [byte] if is_byte => format!("<0x{byte:02X}>"),
        _ => String::from_utf8_lossy(token).replace(' ', SPACE_MARK.encode_utf8(&mut [0; 4])),
    }
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
        if matches!(cut, Cut::Marks { .. }) {
            let is_marked = added.contains_key(&id) || !token.contains(' ');
            support(is_marked, || format!("token {token:?} with a space"))?;
            tokens.push(&read_marks(token));
            continue;
        }
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
