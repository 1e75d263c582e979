//! GGUF files that are one model together, as llama.cpp's `gguf-split` and the `gguf` package write them (`split.no`,
//! `split.count` and `split.tensors.count` in the metadata; `src/llama-model-loader.cpp` of llama.cpp, release v0.5.0):
//! the tensors are divided among them, and the first one has the metadata of the model.

use std::collections::HashSet;

use crate::{
    error::{Error, Result, shown},
    formats::{
        gguf::read::{Header, MOST_TENSORS},
        git_lfs::refuse_pointer,
        parts::{Parts, Stop},
    },
};

/// Most files of a model.
const MOST_FILES: u32 = 256;

/// A file and its header.
pub struct Shard<'a> {
    pub file: &'a Parts,
    pub header: Header<'a>,
}

fn invalid(reason: String) -> Error {
    Error::GgufInvalid { reason }
}

pub fn refused(file: &Parts, stop: Stop) -> Error {
    match stop {
        Stop::Refused(error) => error,
        // The page asks which parts are wanted before.
        Stop::Wanted(_) => Error::FileTruncated { found: file.held(), expected: file.total },
    }
}

impl<'a> Shard<'a> {
    fn read(file: &'a Parts) -> Result<Self> {
        refuse_pointer(&file.name, file.from(0))?;
        Ok(Self { file, header: Header::read(file).map_err(|stop| refused(file, stop))? })
    }

    /// A number below `split.`; `otherwise` if it is not there.
    fn number(&self, key: &str, otherwise: u32) -> Result<u32> {
        let Some(value) = self.header.value(key) else { return Ok(otherwise) };
        value.id().ok_or_else(|| invalid(format!("{key} is no number of files")))
    }

    fn count(&self) -> Result<u32> {
        self.number("split.count", 1)
    }

    /// Which of the files it is, from 0 on.
    fn place(&self) -> Result<u32> {
        self.number("split.no", u32::MAX)
    }
}

/// Reads the headers of the files that make up a model, and puts them into their order. The first of `files` says how many
/// there are; if it is a model by itself, the others are not looked at.
///
/// # Errors
/// [`Error::FileMissing`]; [`Error::GgufInvalid`] if they contradict one another; those of a header.
pub fn in_order<'a>(files: &[&'a Parts]) -> Result<Vec<Shard<'a>>> {
    let [first, others @ ..] = files else { return Ok(Vec::new()) };
    let mut shards = vec![Shard::read(first)?];
    let count = shards[0].count()?;
    if count == 1 {
        return Ok(shards);
    }
    if count == 0 || count > MOST_FILES {
        return Err(invalid(format!("it is one of {count} files; 1 to {MOST_FILES} can be read")));
    }
    for file in others {
        shards.push(Shard::read(file)?);
    }
    let mut places = HashSet::new();
    for shard in &shards {
        let (name, other, place) = (shown(&shard.file.name), shard.count()?, shard.place()?);
        if other != count {
            return Err(invalid(format!("{name} is one of {other} files, and another one of {count}")));
        }
        if place >= count {
            return Err(invalid(format!("{name} does not say which of {count} files it is")));
        }
        if !places.insert(place) {
            return Err(invalid(format!("{name} is file {} of {count}, which comes twice", place + 1)));
        }
    }
    if let Some(missing) = (0..count).find(|place| !places.contains(place)) {
        return Err(Error::FileMissing { name: name_of(&shards[0].file.name, missing, count) });
    }
    shards.sort_by_key(|shard| shard.place().unwrap_or(u32::MAX));
    check_tensors(&shards)?;
    Ok(shards)
}

/// Refuses files that have other tensors together than they say.
fn check_tensors(shards: &[Shard]) -> Result<()> {
    let found: usize = shards.iter().map(|shard| shard.header.tensors.len()).sum();
    if found as u64 > MOST_TENSORS {
        return Err(invalid(format!("{found} tensors are too many")));
    }
    let said = shards[0].number("split.tensors.count", found as u32)?;
    if said as usize != found {
        return Err(invalid(format!("the files have {found} tensors, and the first one says {said}")));
    }
    let mut names = HashSet::new();
    let mut tensors = shards.iter().flat_map(|shard| &shard.header.tensors);
    match tensors.find(|tensor| !names.insert(tensor.name)) {
        Some(tensor) => Err(invalid(format!("{} comes twice", shown(tensor.name)))),
        None => Ok(()),
    }
}

/// The name of another file of the model (`llama_split_path`): "a-00001-of-00002.gguf" becomes "a-00002-of-00002.gguf".
fn name_of(name: &str, place: u32, count: u32) -> String {
    let stem = name.strip_suffix(".gguf").unwrap_or(name);
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = stem.rsplitn(4, '-').collect();
    let before = match parts[..] {
        [total, "of", number, before] if digits(total) && digits(number) => before,
        _ => stem,
    };
    format!("{before}-{:05}-of-{count:05}.gguf", place + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_another_file_follows_from_one() {
        assert_eq!(name_of("a-b-00001-of-00003.gguf", 2, 3), "a-b-00003-of-00003.gguf");
        assert_eq!(name_of("model.gguf", 0, 12), "model-00001-of-00012.gguf");
        assert_eq!(name_of("a-1-of-00003.gguf", 1, 3), "a-1-of-00003-00002-of-00003.gguf");
    }
}
