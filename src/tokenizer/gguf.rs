//! Opens the tokenizer in the metadata of a GGUF file (`src/llama-vocab.cpp` of llama.cpp, release v0.5.0).

use std::collections::{BTreeMap, HashSet};

use super::file::{AddedToken, Cut, File, LARGEST_FILE, check, invalid, support, unsupported};
use super::folder::Opened;
use super::split::Pattern;
use super::templates::names;
use super::vocabulary::pair;
use super::{TokenRoles, Tokenizer, alphabet};
use crate::config::LARGEST_VOCABULARY;
use crate::error::{Result, shown};

/// A tokenizer as GGUF describes it.
#[derive(Debug, Clone, Default)]
pub struct GgufTokenizer<'a> {
    /// Its kind: `gpt2` is byte-level BPE, `llama` SentencePiece.
    pub model: String,
    /// The name of its pre-tokenisation; older files have none.
    pub pre: Option<String>,
    /// The spelling of each token, in the order of ids.
    pub tokens: Vec<&'a str>,
    /// The type of each token (`llama_token_type`); empty if all are ordinary.
    pub types: Vec<i32>,
    /// The score of each token, which SentencePiece merges by.
    pub scores: Vec<f32>,
    /// The merges of byte-level BPE, each two spellings with a space between them.
    pub merges: Vec<&'a str>,
    /// The id that begins a text.
    pub begin: Option<u32>,
    /// The id that ends a text.
    pub end: Option<u32>,
    /// The id that ends a turn of a conversation.
    pub end_of_turn: Option<u32>,
    /// The id for padding.
    pub padding: Option<u32>,
    /// The id for unknown text.
    pub unknown: Option<u32>,
    /// Whether a text begins with `begin` in any case; some kinds do where nothing is said.
    pub add_begin: Option<bool>,
    /// Whether a text begins with a space in any case; SentencePiece's does where nothing is said.
    pub add_space_prefix: Option<bool>,
    /// The chat template of transformers, in Jinja.
    pub chat_template: Option<String>,
    /// The names of further chat templates, of which no use is made.
    pub other_templates: Vec<&'a str>,
}

/// Names of `pre` that mean GPT-2's pre-tokenisation (`LLAMA_VOCAB_PRE_TYPE_GPT2`).
const WORDS: [&str; 4] = ["gpt-2", "jina-es", "jina-de", "phi-2"];

/// Names of `pre` that mean Llama 3's (`LLAMA_VOCAB_PRE_TYPE_LLAMA3`), whose texts begin with a token, and where a word that
/// is a token is not merged.
const LLAMA_3: [&str; 3] = ["llama-bpe", "llama3", "llama-v3"];

/// `llama_token_type`
pub const UNKNOWN: i32 = 2;
pub const CONTROL: i32 = 3;
pub const USER_DEFINED: i32 = 4;
pub const UNUSED: i32 = 5;

impl Tokenizer {
    /// Opens the tokenizer of a GGUF file for a model with `rows` embedding rows.
    ///
    /// # Errors
    /// Those of [`from_json`](Self::from_json), and
    /// [`Error::VocabularyMismatch`](crate::error::Error::VocabularyMismatch) if the model lacks rows for ordinary
    /// tokens.
    pub fn from_gguf(given: GgufTokenizer, rows: usize) -> Result<Opened> {
        let (mut file, given) = match &given.model[..] {
            "gpt2" => given.words()?,
            "llama" => given.pieces()?,
            other => {
                return Err(unsupported(format!("it is of the kind {}, and gpt2 and llama can be read", shown(other))));
            }
        };
        let left_out = file.keep_rows(rows)?;
        let tokenizer = Self::from_file(file)?;
        let roles = given.roles(tokenizer.turn_ids().map(|[.., end]| end));
        let templates_left_out = names(given.other_templates);
        Ok(Opened { tokenizer: tokenizer.with_roles(roles), left_out, templates_left_out })
    }
}

impl GgufTokenizer<'_> {
    /// The file of byte-level BPE.
    fn words(self) -> Result<(File, Self)> {
        // Files without it are older than it, and then of GPT-2.
        let pre = self.pre.as_deref().unwrap_or(WORDS[0]);
        support(self.add_space_prefix != Some(true), || "add_space_prefix".to_owned())?;
        let file = self.byte_level(WORDS.contains(&pre))?;
        let file = match pre {
            _ if WORDS.contains(&pre) => file,
            "smollm" => file.with_single_digits(),
            "qwen2" => file.with_qwens_words(),
            _ if LLAMA_3.contains(&pre) => file.with_llamas_words(),
            _ => return Err(unsupported(format!("pre-tokenizer {}", shown(pre)))),
        };
        let begin = self.begins_with(LLAMA_3.contains(&pre))?;
        Ok((file.beginning_with(begin)?, self))
    }

    /// The file of SentencePiece's BPE. The ids are llama.cpp's where the file names none.
    fn pieces(self) -> Result<(File, Self)> {
        let [begin, end, unknown] =
            [(self.begin, 1), (self.end, 2), (self.unknown, 0)].map(|(id, own)| id.or(Some(own)));
        let given = Self { begin, end, unknown, ..self };
        let file = given.of_scores()?;
        let begin = given.begins_with(true)?;
        Ok((file.beginning_with(begin)?, given))
    }

    /// The file with these tokens and merges. `may_be_characters`: a vocabulary without some of the bytes is that of
    /// Lorito's tokenizers of characters; otherwise it lacks bytes that its texts did not have, as SmolLM's does.
    fn byte_level(&self, may_be_characters: bool) -> Result<File> {
        let Self { tokens, types, merges, .. } = self;
        check(tokens.len() <= LARGEST_VOCABULARY, || format!("{} tokens are too many", tokens.len()))?;
        let bytes: usize = tokens.iter().chain(merges).map(|text| text.len()).sum();
        check(bytes <= LARGEST_FILE, || format!("{bytes} bytes are too many"))?;
        check(types.is_empty() || types.len() == tokens.len(), || {
            format!("{} tokens have {} types", tokens.len(), types.len())
        })?;
        let (mut vocabulary, mut added) = (Vec::with_capacity(tokens.len()), Vec::new());
        for (index, &token) in tokens.iter().enumerate() {
            let of = types.get(index).copied().unwrap_or(1);
            check(!token.is_empty() || of == UNUSED, || format!("token {index} is empty"))?;
            // An empty text is an id without a token.
            vocabulary.push(if of == UNUSED { String::new() } else { token.to_owned() });
            if matches!(of, UNKNOWN | CONTROL | USER_DEFINED) {
                let normalized = of == USER_DEFINED;
                let special = !normalized;
                added.push(AddedToken { special, normalized, ..AddedToken::special(index as u32, token) });
            }
        }
        let merges: Vec<_> = merges.iter().map(|merge| pair(merge).map_err(invalid)).collect::<Result<_>>()?;
        let is_added: HashSet<u32> = added.iter().map(|token| token.id).collect();
        let ordinary = vocabulary.iter().zip(0..).filter(|(token, id)| !token.is_empty() && !is_added.contains(id));
        let ordinary: Vec<Vec<u8>> = ordinary.filter_map(|(token, _)| alphabet::unspell(token)).collect();
        let single: HashSet<u8> = ordinary.iter().filter(|bytes| bytes.len() == 1).map(|bytes| bytes[0]).collect();
        let file = match single.len() {
            256 if merges.is_empty() => File::new(Cut::Bytes, added, vocabulary, merges),
            count if count == 256 || !may_be_characters => {
                File::new(Cut::Words(Pattern::Gpt2), added, vocabulary, merges)
            }
            // Lorito's tokenizers of characters leave as merges of their bytes (`byte_level.rs`).
            _ => {
                for (token, id) in vocabulary.iter_mut().zip(0..) {
                    if !token.is_empty() && !is_added.contains(&id) {
                        *token = character(token).ok_or_else(|| unsupported("bytes without a token"))?;
                    }
                }
                File::new(Cut::Characters, added, vocabulary, Vec::new())
            }
        };
        file.check_added_tokens()?;
        Ok(file)
    }

    /// The roles of tokens. `end_of_turn`: the id of Lorito's own token for it, which ends no text.
    fn roles(&self, end_of_turn: Option<u32>) -> TokenRoles {
        let named = [
            ("bos_token", self.begin),
            ("eos_token", self.end),
            ("pad_token", self.padding),
            ("unk_token", self.unknown),
        ];
        let named: BTreeMap<_, _> = named.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?))).collect();
        let mut ends: Vec<u32> = self.end.into_iter().collect();
        ends.extend(self.end_of_turn.filter(|id| !ends.contains(id) && Some(*id) != end_of_turn));
        TokenRoles {
            named,
            start: self.begin.or(self.end),
            ends,
            chat_template: self.chat_template.clone(),
            turns: None,
        }
    }
}

/// The single character that a token is spelled for.
fn character(token: &str) -> Option<String> {
    let text = String::from_utf8(alphabet::unspell(token)?).ok()?;
    (text.chars().count() == 1).then_some(text)
}
