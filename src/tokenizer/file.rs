//! `tokenizer.json` as Hugging Face's `tokenizers` writes it: what of it can be used here, read with distrust.

use std::collections::HashMap;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::normal_form::NormalForm;
use crate::error::{Error, Result};

/// Larger files are refused; GPT-2's has 1.4 MB.
const LARGEST_FILE: usize = 32 << 20;

/// As many tokens as a model may have.
const LARGEST_VOCABULARY: usize = 262_144;

/// Each may be looked for at every place of a text.
const MOST_ADDED_TOKENS: usize = 1024;

/// The token that stands between documents and ends generation.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// The file, in the order in which `tokenizers` writes its fields.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct File {
    version: String,
    /// Neither is applied here: our texts are neither cut nor filled up.
    #[serde(default, skip_deserializing)]
    truncation: (),
    #[serde(default, skip_deserializing)]
    padding: (),
    #[serde(default)]
    pub added_tokens: Vec<AddedToken>,
    #[serde(default)]
    pub normalizer: Option<Value>,
    pub pre_tokenizer: Option<Component>,
    /// Would add tokens around a text where it is asked to; here it never is.
    #[serde(default, skip_deserializing)]
    post_processor: (),
    pub decoder: Option<Component>,
    pub model: Model,
}

/// A pre-tokenizer or decoder. Each reads the fields it knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Component {
    #[serde(rename = "type")]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    add_prefix_space: Option<bool>,
    /// Tells how offsets are counted, which changes no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trim_offsets: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    use_regex: Option<bool>,
}

/// A token that is found in the text before anything else is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddedToken {
    pub id: u32,
    pub content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    pub normalized: bool,
    pub special: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Model {
    #[serde(rename = "type", default = "bpe")]
    name: String,
    #[serde(default)]
    dropout: Option<f32>,
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    #[serde(default)]
    end_of_word_suffix: Option<String>,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    #[serde(serialize_with = "write_vocabulary", deserialize_with = "read_vocabulary")]
    pub vocab: Vec<String>,
    #[serde(deserialize_with = "read_merges")]
    pub merges: Vec<(String, String)>,
}

fn bpe() -> String {
    "BPE".to_owned()
}

/// How a file cuts a text before it merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Not at all; tokens are characters.
    Characters,
    /// Not at all; tokens are bytes.
    Bytes,
    /// By GPT-2's regex; tokens are bytes.
    Words,
}

impl AddedToken {
    pub fn special(id: u32, content: &str) -> Self {
        let [single_word, lstrip, rstrip, normalized, special] = [false, false, false, false, true];
        Self { id, content: content.to_owned(), single_word, lstrip, rstrip, normalized, special }
    }
}

impl File {
    pub fn new(cut: Cut, added_tokens: Vec<AddedToken>, vocab: Vec<String>, merges: Vec<(String, String)>) -> Self {
        let plain = |name: &str| Component {
            name: name.to_owned(),
            add_prefix_space: None,
            trim_offsets: None,
            use_regex: None,
        };
        let byte_level = |use_regex| Component {
            add_prefix_space: Some(false),
            trim_offsets: Some(true),
            use_regex: Some(use_regex),
            ..plain("ByteLevel")
        };
        Self {
            version: "1.0".to_owned(),
            truncation: (),
            padding: (),
            added_tokens,
            normalizer: None,
            pre_tokenizer: match cut {
                Cut::Characters => None,
                Cut::Bytes => Some(byte_level(false)),
                Cut::Words => Some(byte_level(true)),
            },
            post_processor: (),
            decoder: Some(if cut == Cut::Characters { plain("Fuse") } else { byte_level(true) }),
            model: Model {
                name: bpe(),
                dropout: None,
                unk_token: None,
                continuing_subword_prefix: None,
                end_of_word_suffix: None,
                fuse_unk: false,
                byte_fallback: false,
                ignore_merges: false,
                vocab,
                merges,
            },
        }
    }

    /// The same file with the form that it brings texts into.
    pub fn in_form(self, form: NormalForm) -> Self {
        Self { normalizer: form.in_file(), ..self }
    }

    /// Reads a file and refuses what would encode otherwise than we do.
    pub fn read(json: &[u8]) -> Result<Self> {
        check(json.len() <= LARGEST_FILE, || format!("{} bytes are too many", json.len()))?;
        let file: Self = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        check(file.version == "1.0", || format!("version {:?}", file.version))?;
        NormalForm::of_file(file.normalizer.as_ref())?;
        file.model.check()?;
        file.check_added_tokens()?;
        Ok(file)
    }

    /// What GPT-2's older pair of files says: `vocab.json`, a map from tokens to ids, and `merges.txt`, a merge a line.
    pub fn of_pair(vocabulary: &[u8], merges: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Vocabulary(#[serde(deserialize_with = "read_vocabulary")] Vec<String>);

        let size = vocabulary.len() + merges.len();
        check(size <= LARGEST_FILE, || format!("{size} bytes are too many"))?;
        let Vocabulary(vocab) = serde_json::from_slice(vocabulary).map_err(|error| invalid(error.to_string()))?;
        let merges = std::str::from_utf8(merges).map_err(|error| invalid(format!("merges.txt: {error}")))?;
        let lines = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version"));
        let pairs = lines.map(|line| {
            let pair = line.split_once(' ').filter(|(_, right)| !right.contains(' '));
            let pair = pair.map(|(left, right)| (left.to_owned(), right.to_owned()));
            pair.ok_or_else(|| invalid(format!("merge {line:?} is no pair")))
        });
        let merges = pairs.collect::<Result<_>>()?;
        let end = vocab.iter().position(|token| token == END_OF_TEXT);
        let end = end.ok_or_else(|| invalid(format!("no token {END_OF_TEXT}")))?;
        let file = Self::new(Cut::Words, vec![AddedToken::special(end as u32, END_OF_TEXT)], vocab, merges);
        file.check_added_tokens()?;
        Ok(file)
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers can be written")
    }

    /// How the file cuts texts, or why we cannot.
    pub fn cut(&self) -> Result<Cut> {
        let named = |component: &Option<Component>, name: &str| component.as_ref().is_some_and(|it| it.name == name);
        let Some(pre_tokenizer) = &self.pre_tokenizer else {
            check(named(&self.decoder, "Fuse"), || "a decoder of characters other than Fuse".to_owned())?;
            return Ok(Cut::Characters);
        };
        check(pre_tokenizer.name == "ByteLevel", || format!("pre-tokenizer {}", pre_tokenizer.name))?;
        check(named(&self.decoder, "ByteLevel"), || "a decoder of bytes other than ByteLevel".to_owned())?;
        check(pre_tokenizer.add_prefix_space == Some(false), || "add_prefix_space is not false".to_owned())?;
        Ok(if pre_tokenizer.use_regex.unwrap_or(true) { Cut::Words } else { Cut::Bytes })
    }

    /// An added token outside the vocabulary gets the next id when the file is opened, whatever id is written.
    fn check_added_tokens(&self) -> Result<()> {
        check(self.added_tokens.len() <= MOST_ADDED_TOKENS, || "too many added tokens".to_owned())?;
        let ids: HashMap<&str, u32> = self.model.vocab.iter().map(String::as_str).zip(0..).collect();
        let mut next = self.model.vocab.len() as u32;
        let mut contents = HashMap::new();
        for token in &self.added_tokens {
            let content = &token.content;
            check(!content.is_empty(), || "an added token is empty".to_owned())?;
            let plain = !token.single_word && !token.lstrip && !token.rstrip;
            check(plain, || format!("added token {content:?} minds the text beside it"))?;
            check(contents.insert(content, token.id).is_none(), || format!("added token {content:?} comes twice"))?;
            let expected = ids.get(content.as_str()).copied().unwrap_or(next);
            next += u32::from(expected == next);
            check(token.id == expected, || format!("added token {content:?} has id {}, not {expected}", token.id))?;
        }
        check(next as usize <= LARGEST_VOCABULARY, || format!("{next} tokens are too many"))
    }
}

impl Model {
    fn check(&self) -> Result<()> {
        let none = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
        check(self.name == "BPE", || format!("a model of type {}", self.name))?;
        check(self.dropout.is_none_or(|dropout| dropout == 0.0), || "dropout".to_owned())?;
        check(none(&self.continuing_subword_prefix), || "continuing_subword_prefix".to_owned())?;
        check(none(&self.end_of_word_suffix), || "end_of_word_suffix".to_owned())?;
        check(!self.ignore_merges, || "ignore_merges".to_owned())
    }

    /// Unknown characters are dropped here. That is right where there are none, or the file says nothing else.
    pub fn drops_unknown(&self) -> bool {
        self.unk_token.is_none() && !self.byte_fallback
    }
}

pub fn invalid(reason: impl Into<String>) -> Error {
    Error::TokenizerInvalid { reason: reason.into() }
}

pub fn check(right: bool, reason: impl FnOnce() -> String) -> Result<()> {
    if right { Ok(()) } else { Err(invalid(reason())) }
}

fn write_vocabulary<S: Serializer>(vocabulary: &[String], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(vocabulary.iter().zip(0u32..))
}

/// Tokens in the order of their ids, which must be 0, 1, 2, ...: a single large id asks for no memory.
fn read_vocabulary<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<String>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(u32, String)>;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("a map from tokens to ids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some((token, id)) = map.next_entry()? {
                entries.push((id, token));
                if entries.len() > LARGEST_VOCABULARY {
                    return Err(serde::de::Error::custom("the vocabulary is too large"));
                }
            }
            Ok(entries)
        }
    }

    let mut entries = deserializer.deserialize_map(Entries)?;
    entries.sort_unstable();
    if let Some((expected, (id, token))) = (0..).zip(&entries).find(|(expected, (id, _))| expected != id) {
        return Err(serde::de::Error::custom(format!("token {token:?} has id {id} where {expected} is next")));
    }
    Ok(entries.into_iter().map(|(_, token)| token).collect())
}

/// Pairs, or as older files have them, lines of two tokens.
fn read_merges<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<(String, String)>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Merge {
        Pair(String, String),
        Line(String),
    }

    let mut merges = Vec::new();
    for merge in Vec::<Merge>::deserialize(deserializer)? {
        match merge {
            Merge::Pair(left, right) => merges.push((left, right)),
            Merge::Line(line) if line.starts_with("#version") => {}
            Merge::Line(line) => match line.split_once(' ') {
                Some((left, right)) if !right.contains(' ') => merges.push((left.to_owned(), right.to_owned())),
                _ => return Err(serde::de::Error::custom(format!("merge {line:?} is no pair"))),
            },
        }
    }
    Ok(merges)
}
