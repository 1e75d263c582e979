//! Hugging Face folders for tests: those of `tests/fixtures/pretrained`, those in Lorito's own archives, and how the
//! page passes one to a session.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use futures_lite::future::block_on;
use lorito::{
    error::Result,
    formats::{Folder, INDICES, Parts, wanted_parts},
    session::{ModelSummary, Session},
    tokenizer::TOKENIZER_FILES,
};
use serde_json::Value;

/// The files of a folder, by name.
pub type Files = HashMap<String, Vec<u8>>;

/// A folder of `tests/fixtures/pretrained`.
pub fn files(name: &str) -> Files {
    files_of(&format!("pretrained/{name}"))
}

/// A folder of `tests/fixtures`.
pub fn files_of(path: &str) -> Files {
    files_in(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path))
}

/// The files of any folder.
pub fn files_in(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// The files of an uncompressed archive, as Lorito writes it.
pub fn unzip(bytes: &[u8]) -> Files {
    let number = |at: usize| u32::from_le_bytes(bytes[at..][..4].try_into().unwrap()) as usize;
    let (mut files, mut at) = (HashMap::new(), 0);
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let (size, name) = (number(at + 18), number(at + 26) & 0xffff);
        let content = at + 30 + name;
        let name = String::from_utf8(bytes[at + 30..content].to_vec()).unwrap();
        files.insert(name, bytes[content..content + size].to_vec());
        at = content + size;
    }
    files
}

/// The page's input for a session: of large files only the parts that are asked for.
pub fn folder(files: &Files) -> Result<Folder> {
    let take = |name: &str| files.get(name).cloned();
    let is_weights = |name: &str| [".safetensors", ".bin", ".gguf"].iter().any(|ending| name.ends_with(ending));
    let mut weights: Vec<_> = files.iter().filter(|(name, _)| is_weights(name)).collect();
    weights.sort();
    Ok(Folder {
        config: take("config.json").unwrap_or_default(),
        tokenizer: TOKENIZER_FILES.iter().filter_map(|&name| Some((name.to_owned(), take(name)?))).collect(),
        index: INDICES.iter().find_map(|&name| Some((name.to_owned(), take(name)?))),
        weights: weights.into_iter().map(|(name, bytes)| parts(name, bytes)).collect::<Result<_>>()?,
    })
}

/// Reads those parts of a file that are asked for.
pub fn parts(name: &str, bytes: &[u8]) -> Result<Parts> {
    let mut parts = Parts::new(name.to_owned(), bytes.len() as u64);
    loop {
        let wanted = wanted_parts(&parts)?;
        if wanted.is_empty() {
            return Ok(parts);
        }
        for range in wanted {
            assert!(range.start < range.end, "{range:?} is a part");
            parts.put(range.start, bytes[range.start as usize..range.end as usize].to_vec());
        }
    }
}

/// Opens a folder in pieces, like the page.
pub fn open(session: &mut Session, files: &Files) -> Result<ModelSummary> {
    for piece in session.begin_pretrained(&folder(files)?)? {
        block_on(session.push_pretrained(&files[&piece.file][piece.from as usize..piece.to as usize]))?;
    }
    session.finish_pretrained()
}

/// Shape and bytes of each tensor in a safetensors file, by name.
pub fn tensors(bytes: &[u8]) -> HashMap<String, (Value, Vec<u8>)> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: HashMap<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let data = &bytes[8 + length..];
    let offset = |value: &Value, index: usize| value["data_offsets"][index].as_u64().unwrap() as usize;
    let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors
        .map(|(name, value)| {
            let bytes = data[offset(&value, 0)..offset(&value, 1)].to_vec();
            (name, (value["shape"].clone(), bytes))
        })
        .collect()
}
