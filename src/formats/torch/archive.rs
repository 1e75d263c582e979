//! The form of PyTorch 1.6 and later: a ZIP archive in which nothing is compressed, with the state dict in `data.pkl`
//! and each storage in a file of its own.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{self, ErrorKind},
    ops::Range,
};

use rawzip::{CompressionMethod, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder, ZipLocator};

use super::{
    LONGEST_PICKLE, Tensor, invalid, pickle,
    state_dict::{StateDict, other_length},
};
use crate::{
    error::{Error, Result, shown},
    formats::parts::{Cursor, Parts, Reading, Stop},
};

/// The largest directory of an archive that is read, in bytes; each storage has a hundred.
const LARGEST_DIRECTORY: u64 = 8 << 20;

/// The archive's directory is read in steps of this size.
const STEP: usize = 1 << 16;

/// The persistent id of a storage has "storage", type, name, device and length.
const ID_ITEMS: usize = 5;

/// Reads an archive through the parts of it that are there, and notes which are not.
struct Window<'a> {
    file: &'a Parts,
    missed: RefCell<Vec<Range<u64>>>,
}

impl ReaderAt for Window<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let held = self.file.from(offset);
        let end = offset.saturating_add(buffer.len() as u64).min(self.file.total);
        if offset >= end {
            return Ok(0);
        }
        if held.is_empty() {
            self.missed.borrow_mut().push(offset..end);
            return Err(ErrorKind::WouldBlock.into());
        }
        let length = held.len().min(buffer.len());
        buffer[..length].copy_from_slice(&held[..length]);
        Ok(length)
    }
}

impl Window<'_> {
    /// The result of a step in reading, unless a part was missing.
    fn after<T>(&self, result: std::result::Result<T, rawzip::Error>) -> Reading<T> {
        let missed = self.missed.take();
        if !missed.is_empty() {
            return Err(Stop::Wanted(missed));
        }
        Ok(result.map_err(|error| invalid(error.to_string()))?)
    }
}

/// A file of the archive.
struct Entry {
    place: ZipArchiveEntryWayfinder,
    bytes: u64,
}

pub fn read(file: &Parts) -> Reading<Vec<Tensor>> {
    if file.held() > LARGEST_DIRECTORY + LONGEST_PICKLE {
        return Err(Error::HeaderTooLarge { bytes: file.held(), limit: LARGEST_DIRECTORY + LONGEST_PICKLE }.into());
    }
    let window = Window { file, missed: RefCell::default() };
    let mut buffer = vec![0; STEP];
    let located = ZipLocator::new().max_search_space(STEP as u64).locate_in_reader(&window, &mut buffer, file.total);
    let archive = window.after(located.map_err(|(_, error)| error))?;
    let entries = entries(&window, &archive, &mut buffer)?;
    let mut pickles = entries.keys().filter(|name| *name == "data.pkl" || name.ends_with("/data.pkl"));
    let (Some(name), None) = (pickles.next(), pickles.next()) else {
        return Err(invalid("data.pkl is missing, or comes several times").into());
    };
    let folder = name.strip_suffix("data.pkl").unwrap_or_default();
    let beside = |name: &str| entries.get(&format!("{folder}{name}"));
    let place = |entry: &Entry| {
        let (from, to) = window.after(archive.get_entry(entry.place))?.compressed_data_range();
        if to > file.total || to - from != entry.bytes {
            return Err(Error::FileTruncated { found: file.total, expected: to }.into());
        }
        Ok(from..to)
    };
    if let Some(entry) = beside("byteorder").filter(|entry| entry.bytes < 16)
        && file.get(place(entry)?)? != b"little"
    {
        return Err(invalid("its numbers are big-endian").into());
    }
    let entry = &entries[name];
    if entry.bytes > LONGEST_PICKLE {
        return Err(Error::HeaderTooLarge { bytes: entry.bytes, limit: LONGEST_PICKLE }.into());
    }
    let mut meaning = StateDict::new(ID_ITEMS);
    let (value, values) = pickle::read(&mut Cursor::whole(file.get(place(entry)?)?), &mut meaning)?;
    let (mut starts, mut wanted) = (Vec::new(), Vec::new());
    for storage in &meaning.storages {
        let missing = || invalid(format!("storage {} is missing", storage.key));
        let entry = beside(&format!("data/{}", storage.key)).ok_or_else(missing)?;
        if entry.bytes != storage.bytes()? {
            return Err(other_length(storage, entry.bytes).into());
        }
        match place(entry) {
            Ok(range) => starts.push(range.start),
            // All that are missing are asked for at once.
            Err(Stop::Wanted(ranges)) => wanted.extend(ranges),
            Err(refused) => return Err(refused),
        }
    }
    if !wanted.is_empty() {
        return Err(Stop::Wanted(wanted));
    }
    Ok(meaning.tensors(value, &values, &starts)?)
}

/// The files of an archive, by name.
fn entries(window: &Window, archive: &ZipArchive<&Window>, buffer: &mut [u8]) -> Reading<HashMap<String, Entry>> {
    let size = archive.eocd_offset().saturating_sub(archive.directory_offset());
    if size > LARGEST_DIRECTORY {
        return Err(Error::HeaderTooLarge { bytes: size, limit: LARGEST_DIRECTORY }.into());
    }
    let mut found = HashMap::new();
    let mut entries = archive.entries(buffer);
    while let Some(entry) = window.after(entries.next_entry())? {
        let path = entry.file_path();
        let name = String::from_utf8_lossy(path.as_bytes()).into_owned();
        stored(entry.compression_method(), entry.compressed_size_hint() == entry.uncompressed_size_hint(), &name)?;
        let place = Entry { place: entry.wayfinder(), bytes: entry.uncompressed_size_hint() };
        if found.contains_key(&name) {
            return Err(invalid(format!("{} comes twice", shown(&name))).into());
        }
        found.insert(name, place);
    }
    Ok(found)
}

/// Refuses a file that is not in the archive as it is.
fn stored(method: CompressionMethod, is_whole: bool, name: &str) -> Result<()> {
    match method == CompressionMethod::STORE && is_whole {
        true => Ok(()),
        false => Err(invalid(format!("{} is compressed", shown(name)))),
    }
}
