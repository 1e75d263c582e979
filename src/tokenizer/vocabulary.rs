//! Parses the two large fields of a tokenizer file, the vocabulary and the merges. The file is untrusted.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Deserializer};

use crate::config::LARGEST_VOCABULARY;

/// Writes a map from tokens to ids. A gap in the ids is an empty text here, which no token is.
pub fn write_vocabulary<S: Serializer>(vocabulary: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(vocabulary.iter().zip(0u32..).filter(|(token, _)| !token.is_empty()))
}

/// Reads tokens in the order of ids. A single large id allocates no more memory than the largest vocabulary does.
pub fn read_vocabulary<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(u32, String)>;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("a map from tokens to ids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = Vec::new();
            while let Some((token, id)) = map.next_entry::<String, u32>()? {
                if entries.len() >= LARGEST_VOCABULARY || id as usize >= LARGEST_VOCABULARY {
                    let most = LARGEST_VOCABULARY;
                    return Err(Error::custom(format!("id {id} is too large: a vocabulary has {most} at most")));
                }
                if token.is_empty() {
                    return Err(Error::custom("a token is empty"));
                }
                entries.push((id, token));
            }
            Ok(entries)
        }
    }

    let entries = deserializer.deserialize_map(Entries)?;
    let ids = entries.iter().map(|(id, _)| *id as usize + 1).max().unwrap_or(0);
    let mut vocabulary = vec![String::new(); ids];
    for (id, token) in entries {
        let place = &mut vocabulary[id as usize];
        if !place.is_empty() {
            return Err(Error::custom(format!("tokens {place:?} and {token:?} have the id {id}")));
        }
        *place = token;
    }
    Ok(vocabulary)
}

/// Reads pairs, or in older files lines of two tokens.
pub fn read_merges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
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
            Merge::Line(line) => merges.push(pair(&line).map_err(Error::custom)?),
        }
    }
    Ok(merges)
}

/// Splits a line into its two tokens.
pub fn pair(line: &str) -> Result<(String, String), String> {
    match line.split_once(' ') {
        Some((left, right)) if !right.contains(' ') => Ok((left.to_owned(), right.to_owned())),
        _ => Err(format!("merge {line:?} is no pair")),
    }
}
