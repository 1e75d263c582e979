//! Parses and validates `tokenizer.json` of Hugging Face's `tokenizers`. The file is untrusted.

use std::collections::{HashMap, HashSet};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::normal_form::NormalForm;
use super::normalizer::{Normalizer, Step};
use super::split::{Pattern, SPACE_MARK};
use super::splitting::{FirstMark, Splitting};
use super::vocabulary::{read_merges, read_vocabulary, write_vocabulary};
use crate::config::LARGEST_VOCABULARY;
use crate::error::{Error, Result};

/// Largest accepted file in bytes; GPT-2's has 1.4 MB.
pub const LARGEST_FILE: usize = 32 << 20;

/// The token that separates documents and ends generation, in Lorito's own tokenizers.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// The regular expressions of pre-tokenisation, in all spellings that files have, and what does the same here.
const PATTERNS: [(&str, Pattern); 7] = [
    // GPT-2's, in the spelling of its own code and of tiktoken's.
    (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", Pattern::Gpt2),
    (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", Pattern::Gpt2),
    // Llama 3's, in its own and transformers' spelling and in those of tiktoken's cl100k.
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Pattern::Llama { digits: 3 },
    ),
    (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        Pattern::Llama { digits: 3 },
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Pattern::Llama { digits: 2 },
    ),
    // Qwen 2's and 3's.
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Pattern::Llama { digits: 1 },
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        Pattern::Llama { digits: 1 },
    ),
];

/// The file, with its fields in the order of `tokenizers`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct File {
    version: String,
    /// Truncation and padding, neither of which is applied here.
    #[serde(default, skip_deserializing)]
    truncation: (),
    #[serde(default, skip_deserializing)]
    padding: (),
    #[serde(default)]
    pub added_tokens: Vec<AddedToken>,
    #[serde(default)]
    normalizer: Option<Component>,
    pub pre_tokenizer: Option<Component>,
    /// Adds tokens around a text. It is kept as it is; those before a text are used ([`File::begins`]).
    #[serde(default)]
    post_processor: Option<Value>,
    pub decoder: Option<Component>,
    pub model: Model,
}

/// A normalizer, pre-tokenizer or decoder, or a sequence of them. Each kind reads the fields it knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Component {
    #[serde(rename = "type")]
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_prefix_space: Option<bool>,
    /// How offsets are counted, which changes no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trim_offsets: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    use_regex: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    individual_digits: Option<bool>,
    /// What a `Split` matches, and what it does with a match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pattern: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    behavior: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invert: Option<bool>,
    /// What a `Prepend` puts before a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prepend: Option<String>,
    /// What a `Replace` puts in the place of its pattern, or a `Strip` removes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    /// How many a `Strip` removes at the beginning and at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<usize>,
    /// What a `Metaspace` puts in the place of spaces, which stretches it begins with it, and whether it splits there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replacement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prepend_scheme: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    split: Option<bool>,
    /// The elements of a `Sequence`; which of the three names is used depends on the kind of component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    normalizers: Option<Vec<Component>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pretokenizers: Option<Vec<Component>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decoders: Option<Vec<Component>>,
}

impl Component {
    /// This component, or the elements of a sequence.
    fn steps(&self) -> Vec<&Self> {
        if self.name != "Sequence" {
            return vec![self];
        }
        let steps = [&self.normalizers, &self.pretokenizers, &self.decoders].into_iter().flatten().flatten();
        steps.flat_map(Self::steps).collect()
    }

    /// The pattern by which it splits a text into words, with an explicit regex.
    fn pattern(&self) -> Option<Pattern> {
        let keeps_all =
            matches!((self.behavior.as_deref(), self.invert), (Some("Isolated"), _) | (Some("Removed"), Some(true)));
        let regex = self.pattern.as_ref().filter(|_| self.name == "Split" && keeps_all)?["Regex"].as_str()?;
        PATTERNS.iter().find(|(known, _)| *known == regex).map(|(_, pattern)| *pattern)
    }

    /// The string that a `Split` or `Replace` looks for.
    fn sought(&self) -> Option<&str> {
        self.pattern.as_ref()?["String"].as_str()
    }

    /// Its name and, of a `Split`, what it looks for: the reason why a file is refused.
    fn described(&self) -> String {
        match &self.pattern {
            Some(pattern) => format!("{} {pattern}", self.name),
            None => self.name.clone(),
        }
    }
}

fn steps(component: &Option<Component>) -> Vec<&Component> {
    component.iter().flat_map(Component::steps).collect()
}

/// An added token, which is matched in the text before all other tokenisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AddedToken {
    pub id: u32,
    pub content: String,
    /// Matches only where it is not part of a longer word.
    pub single_word: bool,
    /// Includes the white space before it; `rstrip` the white space behind it.
    pub lstrip: bool,
    pub rstrip: bool,
    /// Is matched in the normalised text.
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
    /// A word that equals a token is that token, regardless of merges.
    #[serde(default)]
    pub ignore_merges: bool,
    /// In the order of ids; an empty text where no token has the id.
    #[serde(serialize_with = "write_vocabulary", deserialize_with = "read_vocabulary")]
    pub vocab: Vec<String>,
    #[serde(deserialize_with = "read_merges")]
    pub merges: Vec<(String, String)>,
}

fn bpe() -> String {
    "BPE".to_owned()
}

/// How a file splits a text before merging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// No splitting; tokens are characters.
    Characters,
    /// No splitting; tokens are bytes.
    Bytes,
    /// Splitting by a pattern; tokens are bytes.
    Words(Pattern),
    /// SentencePiece's BPE: tokens are characters, with [`SPACE_MARK`] for a space, or bytes of other characters.
    /// `splits`: whether words end before each mark.
    Marks { splits: bool },
}

impl AddedToken {
    pub fn special(id: u32, content: &str) -> Self {
        let [single_word, lstrip, rstrip, normalized, special] = [false, false, false, false, true];
        Self { id, content: content.to_owned(), single_word, lstrip, rstrip, normalized, special }
    }
}

impl File {
    pub fn new(cut: Cut, added_tokens: Vec<AddedToken>, vocab: Vec<String>, merges: Vec<(String, String)>) -> Self {
        let plain = |name: &str| Component { name: name.to_owned(), ..Component::default() };
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
                Cut::Words(_) => Some(byte_level(true)),
                Cut::Marks { .. } => unreachable!("no tokenizer of marks is made here"),
            },
            post_processor: None,
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

    /// The same file with another normal form.
    pub fn in_form(self, form: NormalForm) -> Self {
        let nfc = Component { name: "NFC".to_owned(), ..Component::default() };
        Self { normalizer: (form == NormalForm::Nfc).then_some(nfc), ..self }
    }

    /// Parses a file and refuses one that would encode differently than Lorito does.
    pub fn read(json: &[u8]) -> Result<Self> {
        check(json.len() <= LARGEST_FILE, || format!("{} bytes are too many", json.len()))?;
        let json = without_mark(json);
        // Checked before the fields, because other kinds have other fields.
        let kind = kind(json)?;
        support(kind == "BPE", || format!("it is of the kind {kind}, and BPE can be read"))?;
        let file: Self = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
        support(file.version == "1.0", || format!("version {:?}", file.version))?;
        file.model.check()?;
        file.check_added_tokens()?;
        Ok(file)
    }

    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers can be written")
    }

    /// The same with each digit as a word, as SmolLM has it.
    pub fn with_single_digits(self) -> Self {
        let digits = Component { name: "Digits".to_owned(), individual_digits: Some(true), ..Component::default() };
        self.preceded_by(digits, true)
    }

    /// The same with the words and the normalisation of Qwen 2 and 3.
    pub fn with_qwens_words(self) -> Self {
        let normalizer = Component { name: "NFC".to_owned(), ..Component::default() };
        Self { normalizer: Some(normalizer), ..self.split_by(Pattern::Llama { digits: 1 }) }
    }

    /// The same with the words of Llama 3.
    pub fn with_llamas_words(self) -> Self {
        let file = self.split_by(Pattern::Llama { digits: 3 });
        Self { model: Model { ignore_merges: true, ..file.model }, ..file }
    }

    /// The same with words of a pattern other than GPT-2's.
    fn split_by(self, wanted: Pattern) -> Self {
        let known = PATTERNS.iter().find(|(_, pattern)| *pattern == wanted);
        let split = Component {
            name: "Split".to_owned(),
            pattern: known.map(|(regex, _)| json!({ "Regex": regex })),
            behavior: Some("Isolated".to_owned()),
            invert: Some(false),
            ..Component::default()
        };
        self.preceded_by(split, false)
    }

    /// A file of SentencePiece's BPE with byte fallback, as transformers writes Llama 2's. `adds_space`: whether each stretch
    /// of text gets a space before it, which decoding removes.
    pub fn of_marks(
        added_tokens: Vec<AddedToken>,
        vocab: Vec<String>,
        merges: Vec<(String, String)>,
        unk_token: Option<String>,
        adds_space: bool,
    ) -> Self {
        let plain = |name: &str| Component { name: name.to_owned(), ..Component::default() };
        let (mark, space) = (SPACE_MARK.to_string(), " ".to_owned());
        let replace = |from: &str, to: &str| Component {
            pattern: Some(json!({ "String": from })),
            content: Some(to.to_owned()),
            ..plain("Replace")
        };
        let prepend = Component { prepend: Some(mark.clone()), ..plain("Prepend") };
        let strip = Component { content: Some(space.clone()), start: Some(1), stop: Some(0), ..plain("Strip") };
        let some = |component: Component| adds_space.then_some(component);
        let normalizers = some(prepend).into_iter().chain([replace(&space, &mark)]).collect();
        let decoders = [replace(&mark, &space), plain("ByteFallback"), plain("Fuse")].into_iter().chain(some(strip));
        let file = Self::new(Cut::Characters, added_tokens, vocab, merges);
        Self {
            normalizer: Some(Component { normalizers: Some(normalizers), ..plain("Sequence") }),
            decoder: Some(Component { decoders: Some(decoders.collect()), ..plain("Sequence") }),
            model: Model { unk_token, fuse_unk: true, byte_fallback: true, ..file.model },
            ..file
        }
    }

    /// The same with a token before every text.
    ///
    /// # Errors
    /// [`Error::TokenizerInvalid`] if there is no token with this id.
    pub fn beginning_with(self, begin: Option<u32>) -> Result<Self> {
        let Some(id) = begin else { return Ok(self) };
        let token = self.content(id).ok_or_else(|| invalid(format!("no token begins texts: {id}")))?.to_owned();
        let single = json!([{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]);
        let second = json!([{"SpecialToken": {"id": token, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]);
        let pair: Vec<Value> = [&single, &second].into_iter().filter_map(Value::as_array).flatten().cloned().collect();
        let processor = json!({
            "type": "TemplateProcessing",
            "single": single,
            "pair": pair,
            "special_tokens": {&token: {"id": token, "ids": [id], "tokens": [token]}},
        });
        Ok(Self { post_processor: Some(processor), ..self })
    }

    /// The same with a step before the byte-level one. `use_regex`: whether that splits as GPT-2's does.
    fn preceded_by(self, step: Component, use_regex: bool) -> Self {
        let byte_level = self.pre_tokenizer.clone().unwrap_or_default();
        let byte_level = Component { use_regex: Some(use_regex), ..byte_level };
        let steps = Component {
            name: "Sequence".to_owned(),
            pretokenizers: Some(vec![step, byte_level]),
            ..Component::default()
        };
        Self { pre_tokenizer: Some(steps), ..self }
    }

    /// How the file splits texts, or the error why that is not supported.
    pub fn cut(&self) -> Result<(Cut, Splitting)> {
        let decoders = steps(&self.decoder);
        let decoded_by = |name: &str| decoders.len() == 1 && decoders[0].name == name;
        if self.model.byte_fallback {
            return self.cut_at_marks();
        }
        let steps = steps(&self.pre_tokenizer);
        let Some((last, before)) = steps.split_last() else {
            support(decoded_by("Fuse"), || "a decoder of characters other than Fuse".to_owned())?;
            return Ok((Cut::Characters, Splitting::default()));
        };
        support(last.name == "ByteLevel", || format!("pre-tokenizer {}", last.described()))?;
        support(decoded_by("ByteLevel"), || "a decoder of bytes other than ByteLevel".to_owned())?;
        let prefix_space = last.add_prefix_space.ok_or_else(|| invalid("add_prefix_space is missing"))?;
        let use_regex = last.use_regex.unwrap_or(true);
        let plain = use_regex.then_some(Pattern::Gpt2);
        let (digits, pattern) = match before {
            [] => (None, plain),
            [digits] if digits.name == "Digits" => (Some(digits.individual_digits.unwrap_or(false)), plain),
            // A space before each word, or splitting words again, would give other words.
            [split] if split.pattern().is_some() && !use_regex && !prefix_space => (None, split.pattern()),
            [other, ..] => return Err(unsupported(format!("pre-tokenizer {}", other.described()))),
        };
        Ok((pattern.map_or(Cut::Bytes, Cut::Words), Splitting { digits, prefix_space, marks: None }))
    }

    /// The same for SentencePiece's BPE with byte fallback, as Llama 1 and 2 have it.
    fn cut_at_marks(&self) -> Result<(Cut, Splitting)> {
        let mark = SPACE_MARK.to_string();
        let decoders = steps(&self.decoder);
        let names: Vec<&str> = decoders.iter().map(|decoder| &decoder.name[..]).collect();
        let is_known = match names[..] {
            ["Replace", "ByteFallback", "Fuse"] => true,
            ["Replace", "ByteFallback", "Fuse", "Strip"] => {
                let strip = decoders[3];
                strip.content.as_deref() == Some(" ") && (strip.start, strip.stop) == (Some(1), Some(0))
            }
            _ => false,
        };
        let shows_spaces = || decoders[0].sought() == Some(&mark) && decoders[0].content.as_deref() == Some(" ");
        support(is_known && shows_spaces(), || format!("decoder {}", names.join(", ")))?;
        let whole = (Cut::Marks { splits: false }, Splitting::default());
        match steps(&self.pre_tokenizer)[..] {
            [] => Ok(whole),
            // Spaces are gone already: it never finds one.
            [split] if split.name == "Split" && split.sought() == Some(" ") && self.normalizer()?.replaces(" ") => {
                Ok(whole)
            }
            [space] if space.name == "Metaspace" && space.replacement.as_ref() == Some(&mark) => {
                let first_mark = match space.prepend_scheme.as_deref() {
                    Some("always") => FirstMark::Always,
                    Some("first") => FirstMark::First,
                    Some("never") => FirstMark::Never,
                    None if space.add_prefix_space == Some(false) => FirstMark::Never,
                    None => FirstMark::Always,
                    Some(other) => return Err(unsupported(format!("prepend_scheme {other:?}"))),
                };
                let cut = Cut::Marks { splits: space.split.unwrap_or(true) };
                Ok((cut, Splitting { marks: Some(first_mark), ..Splitting::default() }))
            }
            [other, ..] => Err(unsupported(format!("pre-tokenizer {} with byte_fallback", other.described()))),
        }
    }

    /// Whether decoding removes a space from the beginning of a text.
    pub fn strips_space(&self) -> bool {
        self.model.byte_fallback && steps(&self.decoder).iter().any(|step| step.name == "Strip")
    }

    /// The normalizers of the file, or the error why one is not supported.
    pub fn normalizer(&self) -> Result<Normalizer> {
        let step = |step: &&Component| match (&step.name[..], &step.prepend, step.sought(), &step.content) {
            ("NFC", ..) => Ok(Step::Nfc),
            ("Prepend", Some(prefix), ..) => Ok(Step::Prepend(prefix.clone())),
            ("Replace", _, Some(from), Some(to)) if !from.is_empty() => Ok(Step::Replace(from.to_owned(), to.clone())),
            _ => Err(unsupported(format!("normalizer {}", step.described()))),
        };
        Ok(Normalizer::new(steps(&self.normalizer).iter().map(step).collect::<Result<_>>()?))
    }

    /// The ids that the post-processor puts before a text: those of a `TemplateProcessing` before its first sequence.
    /// What it puts behind a text is left out, since a model goes on there, and documents have ends of their own.
    pub fn begins(&self) -> Vec<u32> {
        fn templates(processor: &Value) -> Vec<&Value> {
            match processor["type"].as_str() {
                Some("TemplateProcessing") => vec![processor],
                Some("Sequence") => {
                    processor["processors"].as_array().into_iter().flatten().flat_map(templates).collect()
                }
                _ => Vec::new(),
            }
        }
        let processor = self.post_processor.as_ref().unwrap_or(&Value::Null);
        let mut begins = Vec::new();
        // Each later one puts its tokens before those of the earlier.
        for template in templates(processor).into_iter().rev() {
            let pieces = template["single"].as_array().into_iter().flatten();
            for piece in pieces.take_while(|piece| piece["Sequence"].is_null()) {
                let name = piece["SpecialToken"]["id"].as_str().unwrap_or_default();
                let ids = template["special_tokens"][name]["ids"].as_array().into_iter().flatten();
                begins.extend(ids.filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok()));
            }
        }
        begins.retain(|&id| self.content(id).is_some());
        begins
    }

    /// The file without its tokens.
    pub fn frame(self) -> Self {
        let model = Model { vocab: Vec::new(), merges: Vec::new(), ..self.model };
        Self { added_tokens: Vec::new(), model, ..self }
    }

    /// The id of a token, by its spelling in the file.
    pub fn id(&self, content: &str) -> Option<u32> {
        let added = self.added_tokens.iter().find(|token| token.content == content).map(|token| token.id);
        added.or_else(|| self.model.id(content))
    }

    /// The spelling of the token with an id.
    pub fn content(&self, id: u32) -> Option<&str> {
        let added = self.added_tokens.iter().find(|token| token.id == id).map(|token| &token.content);
        added.or_else(|| self.model.vocab.get(id as usize)).map(String::as_str).filter(|content| !content.is_empty())
    }

    /// Whether a text becomes this token only by spelling it out: it is an added token, or neither a single byte or
    /// character nor the result of a merge.
    pub fn stands_apart(&self, id: u32) -> bool {
        let Some(content) = self.content(id) else { return false };
        let made = |(left, right): &(String, String)| {
            content.len() == left.len() + right.len() && content.starts_with(left) && content.ends_with(right)
        };
        self.added_tokens.iter().any(|token| token.id == id)
            || (content.chars().nth(1).is_some() && !self.model.merges.iter().any(made))
    }

    /// Removes added tokens without a row in a model with so many rows, such as those that somebody added without
    /// enlarging the model: their text is then tokenised as any other. Returns their texts.
    ///
    /// # Errors
    /// [`Error::VocabularyMismatch`] where ordinary tokens have no row.
    pub fn keep_rows(&mut self, rows: usize) -> Result<Vec<String>> {
        let is_beyond = |id: u32| id as usize >= rows;
        let ids = self.added_tokens.iter().map(|token| token.id as usize + 1).max().unwrap_or(0);
        let tokenizer = ids.max(self.model.vocab.len());
        let left_out: Vec<_> = self.added_tokens.extract_if(.., |token| is_beyond(token.id)).collect();
        let left_out: Vec<_> = left_out.into_iter().map(|token| token.content).collect();
        let known: HashSet<_> = left_out.iter().map(String::as_str).collect();
        let beyond = self.model.vocab.get(rows..).unwrap_or_default();
        let is_merged = |(left, right): &(String, String)| {
            [left, right].iter().any(|part| known.contains(&part[..])) || known.contains(&format!("{left}{right}")[..])
        };
        if beyond.iter().any(|token| !token.is_empty() && !known.contains(&token[..]))
            || (!known.is_empty() && self.model.merges.iter().any(is_merged))
        {
            return Err(Error::VocabularyMismatch { model: rows, tokenizer });
        }
        self.model.vocab.truncate(rows);
        if !left_out.is_empty() {
            // It may refer to a removed token.
            self.post_processor = None;
        }
        Ok(left_out)
    }

    /// An added token outside the vocabulary gets the next id when `tokenizers` opens the file, whatever id the file
    /// states.
    pub fn check_added_tokens(&self) -> Result<()> {
        let vocabulary = self.model.vocab.iter().map(String::as_str).zip(0..);
        let ids: HashMap<&str, u32> = vocabulary.filter(|(token, _)| !token.is_empty()).collect();
        let mut next = ids.len() as u32;
        let mut contents = HashSet::new();
        for token in &self.added_tokens {
            let content = &token.content;
            check(!content.is_empty(), || "an added token is empty".to_owned())?;
            check(contents.insert(content), || format!("added token {content:?} comes twice"))?;
            let expected = ids.get(content.as_str()).copied().unwrap_or(next);
            next += u32::from(expected == next && !ids.contains_key(content.as_str()));
            check(token.id == expected, || format!("added token {content:?} has id {}, not {expected}", token.id))?;
            let other = self.model.vocab.get(expected as usize).filter(|other| !other.is_empty() && *other != content);
            check(other.is_none(), || format!("added token {content:?} has id {expected}, as {other:?} has"))?;
        }
        check(next as usize <= LARGEST_VOCABULARY, || format!("{next} tokens are too many"))
    }
}

impl Model {
    fn check(&self) -> Result<()> {
        let none = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
        support(self.dropout.is_none_or(|dropout| dropout == 0.0), || "dropout".to_owned())?;
        support(none(&self.continuing_subword_prefix), || "continuing_subword_prefix".to_owned())?;
        support(none(&self.end_of_word_suffix), || "end_of_word_suffix".to_owned())
    }

    /// Whether no token but one that begins with a [`SPACE_MARK`] has any, so that no merge reaches over the beginning of
    /// a run of them.
    pub fn merges_within_marks(&self) -> bool {
        let crosses = |token: &String| token.trim_start_matches(SPACE_MARK).contains(SPACE_MARK);
        !self.merges.iter().any(|(left, right)| crosses(&format!("{left}{right}")))
    }

    fn id(&self, content: &str) -> Option<u32> {
        let place = self.vocab.iter().position(|token| token == content && !content.is_empty())?;
        u32::try_from(place).ok()
    }

    /// Whether unknown characters may be dropped, as Lorito does: if there are none, or if the file does not say
    /// otherwise.
    pub fn drops_unknown(&self) -> bool {
        self.unk_token.is_none() && !self.byte_fallback
    }
}

/// The model kind of a file. Old files lack it; then it follows from fields that only one kind has.
fn kind(json: &[u8]) -> Result<String> {
    #[derive(Deserialize)]
    struct Outline {
        model: Fields,
    }

    #[derive(Deserialize)]
    struct Fields {
        #[serde(rename = "type")]
        name: Option<String>,
        merges: Option<IgnoredAny>,
        unk_id: Option<IgnoredAny>,
        max_input_chars_per_word: Option<IgnoredAny>,
    }

    let Outline { model } = serde_json::from_slice(json).map_err(|error| invalid(error.to_string()))?;
    Ok(match model {
        Fields { name: Some(name), .. } => name,
        Fields { merges: None, unk_id: Some(_), .. } => "Unigram".to_owned(),
        Fields { merges: None, max_input_chars_per_word: Some(_), .. } => "WordPiece".to_owned(),
        Fields { merges: None, .. } => "WordLevel".to_owned(),
        _ => bpe(),
    })
}

/// Returns the bytes of a text without the byte order mark of some editors.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

/// The error for a file that is damaged or contradicts itself.
pub fn invalid(reason: impl Into<String>) -> Error {
    Error::TokenizerInvalid { reason: reason.into() }
}

pub fn check(right: bool, reason: impl FnOnce() -> String) -> Result<()> {
    if right { Ok(()) } else { Err(invalid(reason())) }
}

/// The error for a valid file that needs an unsupported feature.
pub fn unsupported(reason: impl Into<String>) -> Error {
    Error::TokenizerUnsupported { reason: reason.into() }
}

pub fn support(done: bool, reason: impl FnOnce() -> String) -> Result<()> {
    if done { Ok(()) } else { Err(unsupported(reason())) }
}
