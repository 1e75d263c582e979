//! Special tokens that begin and end texts, and their other names in `transformers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::file::{END_OF_TEXT, File};
use super::turns::TurnTokens;

/// Names of special tokens in `transformers`.
pub const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// Common names of end-of-text tokens, used where no file names one.
const ENDS: [&str; 7] = [END_OF_TEXT, "</s>", "<|end_of_text|>", "<eos>", "<|eos|>", "[EOS]", "<|im_end|>"];

/// The special tokens of a tokenizer, by role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenRoles {
    /// Ids by their names in `transformers`, such as `eos_token`; names that are not in `NAMES` mean nothing.
    pub named: BTreeMap<String, u32>,
    /// The id that generation without a prompt begins with.
    pub start: Option<u32>,
    /// The ids that end generation. The first one separates documents in training data.
    pub ends: Vec<u32>,
    /// The chat template of transformers, in Jinja.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// The tokens around turns, if they are not [ours](TurnTokens::ours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<TurnTokens>,
}

impl TokenRoles {
    /// Derives the roles from the names of the tokens alone.
    pub fn by_name(file: &File) -> Self {
        let Some((name, end)) = end_by_name(file) else { return Self::default() };
        // Lorito's own tokenizers have no other beginning-of-text token and no padding token.
        let roles: &[&str] =
            if name == END_OF_TEXT { &["bos_token", "eos_token", "pad_token"] } else { &["eos_token"] };
        let named = roles.iter().map(|&role| (role.to_owned(), end)).collect();
        Self { named, start: Some(end), ends: vec![end], ..Self::default() }
    }

    /// Drops ids without a token.
    pub fn among(mut self, has: impl Fn(u32) -> bool) -> Self {
        self.named.retain(|name, id| NAMES.contains(&&name[..]) && has(*id));
        self.start = self.start.filter(|&id| has(id));
        self.ends.retain(|&id| has(id));
        self
    }
}

/// The token that ends a text according to its name, and that no text becomes without spelling it out.
pub fn end_by_name(file: &File) -> Option<(&'static str, u32)> {
    ENDS.iter().find_map(|&name| {
        let id = file.id(name)?;
        file.stands_apart(id).then_some((name, id))
    })
}
