//! Reads the tokenizer of a Hugging Face folder: `tokenizer.json`, or GPT-2's older pair `vocab.json` and `merges.txt`,
//! and its special tokens from the small files beside it. All as transformers 5.24 reads them
//! (`tokenization_utils_base.py`, `tokenization_gpt2.py`, `generation/configuration_utils.py`).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use super::Tokenizer;
use super::file::{AddedToken, Cut, END_OF_TEXT, File, LARGEST_FILE, check, invalid, without_mark};
use super::roles::{NAMES, TokenRoles, end_by_name};
use super::split::Pattern;
use super::templates::Templates;
use super::turns::TurnTokens;
use super::vocabulary::{pair, read_vocabulary};
use crate::error::{Error, Result};

/// The files of a tokenizer in a Hugging Face folder: `tokenizer.json`, or the older pair `vocab.json` and
/// `merges.txt`; the others state the roles of tokens and may be missing.
pub const TOKENIZER_FILES: [&str; 8] = [
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "chat_template.jinja",
];

/// The field of `tokenizer_config.json` that names the turn tokens if they differ from Lorito's own. transformers keeps
/// it and does nothing with it.
pub const TURN_TOKENS: &str = "turn_tokens";

/// Largest number of ids of one kind that a file may name; further ids are ignored.
const MOST_IDS: usize = 64;

/// A tokenizer that was opened for a model, and what of its files was left out.
#[derive(Debug)]
pub struct Opened {
    /// The tokenizer, whose vocabulary is not larger than the number of rows of the model.
    pub tokenizer: Tokenizer,
    /// The texts of added tokens for which the model has no embedding row.
    pub left_out: Vec<String>,
    /// The names of chat templates other than the default one, of which no use is made.
    pub templates_left_out: Vec<String>,
}

/// The special tokens that the files beside a tokenizer describe.
#[derive(Default)]
struct Described {
    /// Tokens by their names in `transformers`, with unknown ids.
    named: BTreeMap<&'static str, AddedToken>,
    /// Other special tokens.
    others: Vec<AddedToken>,
    /// Added tokens with their ids, outside the vocabulary.
    added: Vec<AddedToken>,
    generation: Ids,
    config: Ids,
    add_prefix_space: bool,
    templates: Templates,
    /// The turn tokens that Lorito's own folders name.
    turns: Option<TurnTokens>,
}

/// `bos_token_id`, `eos_token_id` and `pad_token_id` of one file.
#[derive(Default)]
struct Ids {
    bos: Vec<u32>,
    eos: Vec<u32>,
    pad: Vec<u32>,
}

impl Tokenizer {
    /// Opens the tokenizer of a Hugging Face folder for a model with `rows` embedding rows. `file` returns the content
    /// of a file by its name.
    ///
    /// # Errors
    /// Those of [`from_json`](Self::from_json); [`Error::FileMissing`] if there is neither a `tokenizer.json` nor the
    /// older pair of files; [`Error::VocabularyMismatch`] if the model lacks rows for ordinary tokens;
    /// [`Error::TokenizerInvalid`] if a file beside the tokenizer cannot be read.
    pub fn from_folder<'f>(file: impl Fn(&str) -> Option<&'f [u8]>, rows: usize) -> Result<Opened> {
        let described = Described::read(&file)?;
        let missing = |name: &str| Error::FileMissing { name: name.to_owned() };
        let mut tokens = match (file("tokenizer.json"), file("vocab.json"), file("merges.txt")) {
            (Some(json), ..) => File::read(json)?,
            (None, Some(vocabulary), Some(merges)) => of_pair(vocabulary, merges, &described)?,
            (None, Some(_), None) => return Err(missing("merges.txt")),
            (None, None, Some(_)) => return Err(missing("vocab.json")),
            (None, None, None) => return Err(missing("tokenizer.json")),
        };
        let left_out = tokens.keep_rows(rows)?;
        let roles = described.roles(&tokens);
        let tokenizer = Self::from_file(tokens)?.with_roles(roles);
        Ok(Opened { tokenizer, left_out, templates_left_out: described.templates.left_out })
    }

    /// Opens the older pair of files of GPT-2, `vocab.json` and `merges.txt`, without any other files.
    ///
    /// # Errors
    /// [`Error::TokenizerInvalid`] if a file is damaged or both contradict each other; [`Error::TokenizerUnsupported`]
    /// if they would encode texts differently from us.
    pub fn from_vocabulary(vocabulary: &[u8], merges: &[u8]) -> Result<Self> {
        Self::from_file(of_pair(vocabulary, merges, &Described::default())?)
    }
}

/// Reads `vocab.json`, a map from tokens to ids, and `merges.txt`, one merge per line. Only the files beside them say
/// which tokens are added tokens.
fn of_pair(vocabulary: &[u8], merges: &[u8], described: &Described) -> Result<File> {
    #[derive(Deserialize)]
    struct Vocabulary(#[serde(deserialize_with = "read_vocabulary")] Vec<String>);

    let size = vocabulary.len() + merges.len();
    check(size <= LARGEST_FILE, || format!("{size} bytes are too many"))?;
    let Vocabulary(vocab) =
        serde_json::from_slice(without_mark(vocabulary)).map_err(|error| invalid(format!("vocab.json: {error}")))?;
    let merges = std::str::from_utf8(without_mark(merges)).map_err(|error| invalid(format!("merges.txt: {error}")))?;
    let lines = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version"));
    let merges = lines.map(|line| pair(line).map_err(invalid)).collect::<Result<_>>()?;
    let mut file = File::new(Cut::Words(Pattern::Gpt2), Vec::new(), vocab, merges);
    if let Some(byte_level) = &mut file.pre_tokenizer {
        byte_level.add_prefix_space = Some(described.add_prefix_space);
    }
    let mut added: BTreeMap<u32, AddedToken> = described.added.iter().map(|token| (token.id, token.clone())).collect();
    let beside: HashSet<String> = added.values().map(|token| token.content.clone()).collect();
    let places = file.model.vocab.iter().zip(0..).map(|(token, id)| (token.as_str(), id));
    let places: HashMap<&str, u32> = places.collect();
    for token in described.special().cloned().chain([AddedToken::special(0, END_OF_TEXT)]) {
        if let Some(&id) = places.get(&token.content[..]).filter(|_| !beside.contains(&token.content)) {
            added.entry(id).or_insert(AddedToken { id, ..token });
        }
    }
    let Described { generation, config, .. } = described;
    let ids = [generation, config].into_iter().flat_map(|ids| [&ids.bos, &ids.eos, &ids.pad]).flatten().copied();
    for id in ids.chain(end_by_name(&file).map(|(_, id)| id)) {
        if file.stands_apart(id)
            && let Some(content) = file.content(id)
        {
            added.entry(id).or_insert_with(|| AddedToken::special(id, content));
        }
    }
    file.added_tokens = added.into_values().collect();
    file.check_added_tokens()?;
    Ok(file)
}

impl Described {
    fn read<'f>(file: &impl Fn(&str) -> Option<&'f [u8]>) -> Result<Self> {
        let json = |name: &str| match file(name) {
            None => Ok(Value::Null),
            Some(bytes) => {
                let value = serde_json::from_slice(without_mark(bytes));
                value.map_err(|error| invalid(format!("{name}: {error}")))
            }
        };
        let (settings, map) = (json("tokenizer_config.json")?, json("special_tokens_map.json")?);
        let (beside, generation, config) =
            (json("added_tokens.json")?, json("generation_config.json")?, json("config.json")?);
        let mut described = Self {
            generation: Ids::read(&generation),
            config: Ids::read(&config),
            add_prefix_space: settings["add_prefix_space"] == true,
            templates: match file("chat_template.jinja") {
                Some(text) => {
                    let used = Some(String::from_utf8_lossy(without_mark(text)).into_owned());
                    Templates { used, ..Templates::default() }
                }
                None => Templates::of_settings(&settings["chat_template"]),
            },
            turns: TurnTokens::deserialize(&settings[TURN_TOKENS]).ok(),
            ..Self::default()
        };
        for source in [&map, &settings] {
            for name in NAMES {
                if let Some(token) = special(&source[name]) {
                    described.named.insert(name, token);
                }
            }
            for list in ["additional_special_tokens", "extra_special_tokens"] {
                let list = &source[list];
                let listed = list.as_array().into_iter().flatten();
                let mapped = list.as_object().into_iter().flat_map(|map| map.values());
                described.others.extend(listed.chain(mapped).filter_map(special));
            }
        }
        let known: HashMap<_, _> = described.special().map(|token| (token.content.clone(), token.clone())).collect();
        for (content, id) in beside.as_object().into_iter().flatten() {
            let Some(id) = number(id) else { continue };
            let plain = || AddedToken { special: false, normalized: true, ..AddedToken::special(id, content) };
            let token = known.get(content).cloned().unwrap_or_else(plain);
            described.added.push(AddedToken { id, ..token });
        }
        for (id, token) in settings["added_tokens_decoder"].as_object().into_iter().flatten() {
            if let (Ok(id), Some(token)) = (id.parse(), special(token)) {
                described.added.push(AddedToken { id, ..token });
            }
        }
        Ok(described)
    }

    /// All special tokens, named or not.
    fn special(&self) -> impl Iterator<Item = &AddedToken> {
        self.named.values().chain(&self.others)
    }

    /// The roles of a file's tokens. Only existing ids count.
    fn roles(&self, file: &File) -> TokenRoles {
        let has = |&id: &u32| file.content(id).is_some();
        let id = |token: &AddedToken| file.id(&token.content);
        let mut ends: Vec<u32> = self.generation.eos.iter().copied().filter(has).collect();
        // The other ids may be left over from another tokenizer: GPT-2's 50256 is a word in many. A token that ordinary
        // text can become counts as an end only if there is no other.
        let others = self.config.eos.iter().copied().filter(has).chain(self.named.get("eos_token").and_then(id));
        let (apart, words): (Vec<_>, Vec<_>) = others.partition(|&id| file.stands_apart(id));
        ends.extend(apart);
        if ends.is_empty() {
            ends.extend(end_by_name(file).map(|(_, id)| id));
        }
        if ends.is_empty() {
            ends = words;
        }
        let mut seen = Vec::new();
        ends.retain(|id| {
            !seen.contains(id) && {
                seen.push(*id);
                true
            }
        });
        // If it is a word, its id is left over from another tokenizer.
        let is_apart = |&id: &u32| file.stands_apart(id);
        let first = |of: &dyn Fn(&Ids) -> &Vec<u32>| {
            [&self.generation, &self.config].into_iter().flat_map(of).copied().find(is_apart)
        };
        let mut named: BTreeMap<String, u32> =
            self.named.iter().filter_map(|(&name, token)| Some((name.to_owned(), id(token)?))).collect();
        // Without names, the ids in the model's files count.
        if self.named.is_empty() {
            let by_id = [
                ("bos_token", first(&|ids| &ids.bos)),
                ("eos_token", ends.first().copied()),
                ("pad_token", first(&|ids| &ids.pad)),
            ];
            named.extend(by_id.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?))));
        }
        let begins = first(&|ids| &ids.bos).or_else(|| named.get("bos_token").copied());
        let start = begins.or_else(|| ends.first().copied());
        TokenRoles { named, start, ends, chat_template: self.templates.used.clone(), turns: self.turns.clone() }
    }
}

impl Ids {
    fn read(file: &Value) -> Self {
        let ids = |name: &str| match &file[name] {
            Value::Array(ids) => ids.iter().filter_map(number).take(MOST_IDS).collect(),
            id => number(id).into_iter().collect(),
        };
        Self { bos: ids("bos_token_id"), eos: ids("eos_token_id"), pad: ids("pad_token_id") }
    }
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

/// Parses a token in these files: its text, or an object with its properties.
fn special(value: &Value) -> Option<AddedToken> {
    let content = value.as_str().or_else(|| value["content"].as_str()).filter(|content| !content.is_empty())?;
    let says = |field: &str, otherwise: bool| value[field].as_bool().unwrap_or(otherwise);
    Some(AddedToken {
        single_word: says("single_word", false),
        lstrip: says("lstrip", false),
        rstrip: says("rstrip", false),
        normalized: says("normalized", false),
        special: says("special", true),
        ..AddedToken::special(0, content)
    })
}
