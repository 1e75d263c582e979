//! A large file of which only some parts have been read. A reader says which further parts it needs, so that headers are
//! checked before weights are fetched, and no file is in memory whole.

use std::ops::Range;

use crate::error::Error;

/// A file and those of its parts that have been read.
pub struct Parts {
    /// The name of the file.
    pub name: String,
    /// Size of the whole file in bytes.
    pub total: u64,
    /// The parts, each with the offset of its first byte.
    read: Vec<(u64, Vec<u8>)>,
}

/// Why a reader stopped.
#[derive(Debug)]
pub enum Stop {
    /// These parts of the file have to be read first.
    Wanted(Vec<Range<u64>>),
    /// The file cannot be opened.
    Refused(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The result of a reader that may need more of its file.
pub type Reading<T> = std::result::Result<T, Stop>;

impl Parts {
    /// A file of `total` bytes, none of them read yet.
    pub fn new(name: String, total: u64) -> Self {
        Self { name, total, read: Vec::new() }
    }

    /// Adds the bytes that begin at `from`.
    pub fn put(&mut self, from: u64, bytes: Vec<u8>) {
        // A longer beginning replaces the shorter one.
        self.read.retain(|(other, held)| *other != from || held.len() > bytes.len());
        self.read.push((from, bytes));
    }

    /// All that has been read from an offset on, without a gap in one part; empty if nothing has.
    pub fn from(&self, offset: u64) -> &[u8] {
        let found = self.read.iter().filter_map(|(from, bytes)| {
            let skip = usize::try_from(offset.checked_sub(*from)?).ok()?;
            bytes.get(skip..)
        });
        found.max_by_key(|bytes| bytes.len()).unwrap_or_default()
    }

    /// The bytes of a range.
    ///
    /// # Errors
    /// [`Stop::Wanted`] if they have not been read, [`Error::FileTruncated`] if the file ends before.
    pub fn get(&self, range: Range<u64>) -> Reading<&[u8]> {
        if range.end > self.total {
            return Err(Error::FileTruncated { found: self.total, expected: range.end }.into());
        }
        let length = usize::try_from(range.end - range.start).ok();
        length.and_then(|length| self.from(range.start).get(..length)).ok_or_else(|| Stop::Wanted(vec![range]))
    }

    /// How many bytes have been read.
    pub fn held(&self) -> u64 {
        self.read.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// A cursor at the beginning, which reads at most `most` bytes.
    pub fn cursor(&self, most: u64) -> Cursor<'_> {
        Cursor { bytes: self.from(0), at: 0, total: self.total, most }
    }
}

/// Reads the beginning of a file in order.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Size of the whole file in bytes.
    total: u64,
    /// The largest number of bytes that may be read.
    most: u64,
}

impl<'a> Cursor<'a> {
    /// Reads bytes that are there whole.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, total: bytes.len() as u64, most: u64::MAX }
    }

    /// The offset of the next byte.
    pub fn position(&self) -> u64 {
        self.at as u64
    }

    /// How many bytes the file has from here on.
    pub fn remaining(&self) -> u64 {
        self.total - self.at as u64
    }

    /// A second cursor at the same place.
    pub fn ahead(&self) -> Self {
        Self { ..*self }
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`Error::FileTruncated`], [`Error::HeaderTooLarge`], or [`Stop::Wanted`] for a longer beginning of the file.
    pub fn take(&mut self, length: u64) -> Reading<&'a [u8]> {
        let end = (self.at as u64).saturating_add(length);
        if end > self.total {
            return Err(Error::FileTruncated { found: self.total, expected: end }.into());
        }
        if end > self.most {
            return Err(Error::HeaderTooLarge { bytes: end, limit: self.most }.into());
        }
        let Some(bytes) = self.bytes.get(self.at..end as usize) else {
            // Twice as much each time, so that a long header is not read in a thousand steps.
            let more = end.max(2 * self.bytes.len() as u64).max(FIRST).min(self.most).min(self.total);
            return Err(Stop::Wanted(vec![0..more]));
        };
        self.at = end as usize;
        Ok(bytes)
    }

    /// The next bytes as an array.
    ///
    /// # Errors
    /// Those of [`take`](Self::take).
    pub fn array<const N: usize>(&mut self) -> Reading<[u8; N]> {
        let bytes = self.take(N as u64)?;
        Ok(bytes.try_into().expect("as many bytes as were taken"))
    }
}

/// How much of a file is read at first, in bytes.
const FIRST: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_asks_for_a_longer_beginning_until_the_file_ends() {
        let mut parts = Parts::new("a".into(), 200_000);
        let wanted = |parts: &Parts, length| match parts.cursor(150_000).take(length) {
            Err(Stop::Wanted(ranges)) => ranges,
            other => panic!("{other:?}"),
        };
        assert_eq!(wanted(&parts, 4), [0..FIRST]);
        parts.put(0, vec![0; FIRST as usize]);
        assert_eq!(wanted(&parts, FIRST + 1), [0..2 * FIRST]);
        parts.put(0, vec![0; 2 * FIRST as usize]);
        assert_eq!(wanted(&parts, 2 * FIRST + 1), [0..150_000]);
        assert_eq!(parts.held(), 2 * FIRST);
        let refused = |length| match parts.cursor(150_000).take(length) {
            Err(Stop::Refused(error)) => error.code(),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(150_001), "header-too-large");
        assert_eq!(refused(200_001), "file-truncated");
        assert_eq!(refused(u64::MAX), "file-truncated");
    }

    #[test]
    fn a_range_is_found_in_any_part_that_has_it_whole() {
        let mut parts = Parts::new("a".into(), 10);
        parts.put(2, vec![2, 3, 4]);
        parts.put(4, vec![4, 5, 6, 7]);
        assert_eq!(parts.get(3..5).unwrap(), [3, 4]);
        assert_eq!(parts.get(4..8).unwrap(), [4, 5, 6, 7]);
        assert!(matches!(parts.get(3..7), Err(Stop::Wanted(ranges)) if ranges == [3..7]));
        assert!(matches!(parts.get(9..11), Err(Stop::Refused(Error::FileTruncated { found: 10, expected: 11 }))));
        assert_eq!(parts.from(20), [0u8; 0]);
    }
}
