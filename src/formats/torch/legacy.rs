//! The form before PyTorch 1.6: pickles of a magic number, a version, facts about the machine, the state dict and the
//! names of its storages, one after the other, and then each storage with its length before it.

use std::collections::HashMap;

use super::{
    LONGEST_PICKLE, Tensor, invalid, pickle,
    pickle::{Meaning, Value, Values, refused},
    state_dict::{Global, StateDict, other_length},
};
use crate::{
    error::{Error, Result},
    formats::parts::{Parts, Reading, Stop},
};

/// The pickles of the magic number and of version 1001.
const BEGINNING: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";

/// The persistent id of a storage has "storage", type, name, device, length and a view.
const ID_ITEMS: usize = 6;

/// Bytes of the length before each storage.
const LENGTH: u64 = 8;

/// A pickle of plain values.
struct Plain;

impl<'a> Meaning<'a> for Plain {
    fn call(&mut self, called: Global, _: Value<'a>, _: &mut Values<'a>) -> Result<Value<'a>> {
        Err(refused(format!("a call of {called:?}")))
    }

    fn persistent(&mut self, _: Value<'a>, _: &Values<'a>) -> Result<Value<'a>> {
        Err(refused("a persistent id"))
    }
}

pub fn read(file: &Parts) -> Reading<Vec<Tensor>> {
    let mut cursor = file.cursor(LONGEST_PICKLE);
    if cursor.take(BEGINNING.len() as u64)? != BEGINNING {
        return Err(invalid("it is a pickle of something else than weights").into());
    }
    let (machine, values) = pickle::read(&mut cursor, &mut Plain)?;
    let facts = values.entries(machine).unwrap_or_default();
    if !facts.contains(&(Value::String("little_endian"), Value::Bool(true))) {
        return Err(invalid("its numbers are big-endian").into());
    }
    let mut meaning = StateDict::new(ID_ITEMS);
    let (value, values) = pickle::read(&mut cursor, &mut meaning)?;
    let (names, lists) = pickle::read(&mut cursor, &mut Plain)?;
    let names = lists.items(names).ok_or_else(|| invalid("the names of its storages are missing"))?;

    let mut by_key = HashMap::new();
    for (index, storage) in meaning.storages.iter().enumerate() {
        by_key.entry(storage.key).or_insert_with(Vec::new).push(index);
    }
    let mut starts = vec![None; meaning.storages.len()];
    let (mut at, mut wanted) = (cursor.position(), Vec::new());
    for name in names {
        let indices = if let Value::String(name) = name { by_key.get(name) } else { None };
        let indices = indices.ok_or_else(|| invalid("a storage that no tensor has"))?;
        let (storage, from) = (&meaning.storages[indices[0]], at.saturating_add(LENGTH));
        at = from.saturating_add(storage.bytes()?);
        if at > file.total {
            return Err(Error::FileTruncated { found: file.total, expected: at }.into());
        }
        match file.get(from - LENGTH..from) {
            Ok(length) if length != storage.length.to_le_bytes() => {
                let length = u64::from_le_bytes(length.try_into().expect("eight bytes"));
                return Err(other_length(storage, length.saturating_mul(storage.number())).into());
            }
            Ok(_) => {}
            // All that are missing are asked for at once.
            Err(Stop::Wanted(ranges)) => wanted.extend(ranges),
            Err(refused) => return Err(refused),
        }
        for &index in indices {
            if meaning.storages[index] != *storage || starts[index].replace(from).is_some() {
                return Err(invalid(format!("storage {} comes twice", storage.key)).into());
            }
        }
    }
    if !wanted.is_empty() {
        return Err(Stop::Wanted(wanted));
    }
    let starts: Option<Vec<u64>> = starts.into_iter().collect();
    let starts = starts.ok_or_else(|| invalid("a storage is missing"))?;
    Ok(meaning.tensors(value, &values, &starts)?)
}
