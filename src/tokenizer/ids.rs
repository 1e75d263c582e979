//! Compact storage for the token ids of a text, kept for as long as a run trains.

use std::ops::Range;

/// Vocabularies below this size have 16-bit ids. The largest 16-bit number is then no token's id: the stored form uses
/// it for "no token" (`train::Dataset::to_bytes`).
const LARGEST_NARROW: usize = u16::MAX as usize;

/// The token ids of a text, in order. Each takes 2 bytes of memory if the vocabulary allows it, else 4: a text of 200
/// MB in a vocabulary of characters would otherwise take 400 MB more of the 4 GiB of WebAssembly.
#[derive(Debug, Clone)]
pub struct TokenIds(Store);

#[derive(Debug, Clone)]
enum Store {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl TokenIds {
    /// Wraps ids of a vocabulary whose [`width`](Self::width) is 2 bytes.
    pub fn narrow(ids: Vec<u16>) -> Self {
        Self(Store::Narrow(ids))
    }

    /// Wraps ids of a vocabulary whose [`width`](Self::width) is 4 bytes.
    pub fn wide(ids: Vec<u32>) -> Self {
        Self(Store::Wide(ids))
    }

    /// Returns no ids, of 2 or 4 bytes each.
    pub fn with_width(width: usize) -> Self {
        Self(if width == 2 { Store::Narrow(Vec::new()) } else { Store::Wide(Vec::new()) })
    }

    /// Appends ids, which must be of a vocabulary with the same [`width`](Self::width).
    pub fn extend(&mut self, ids: impl IntoIterator<Item = u32>) {
        match &mut self.0 {
            Store::Narrow(all) => grow(all, ids.into_iter().map(|id| id as u16)),
            Store::Wide(all) => grow(all, ids.into_iter()),
        }
    }

    /// Returns the bytes that each id of a vocabulary of this size takes: 2 or 4.
    pub fn width(vocabulary: usize) -> usize {
        if vocabulary <= LARGEST_NARROW { 2 } else { 4 }
    }

    /// Returns the bytes that each of these ids takes: 2 or 4.
    pub fn bytes_per_id(&self) -> usize {
        match self.0 {
            Store::Narrow(_) => 2,
            Store::Wide(_) => 4,
        }
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        match &self.0 {
            Store::Narrow(ids) => ids.len(),
            Store::Wide(ids) => ids.len(),
        }
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the id at a position.
    ///
    /// # Panics
    /// If `place` is not below [`len`](Self::len).
    pub fn at(&self, place: usize) -> u32 {
        match &self.0 {
            Store::Narrow(ids) => ids[place].into(),
            Store::Wide(ids) => ids[place],
        }
    }

    /// Iterates over the ids at a range of positions.
    ///
    /// # Panics
    /// If the range ends after [`len`](Self::len).
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = u32> + '_ {
        let (narrow, wide): (&[u16], &[u32]) = match &self.0 {
            Store::Narrow(ids) => (&ids[range], &[]),
            Store::Wide(ids) => (&[], &ids[range]),
        };
        narrow.iter().map(|&id| u32::from(id)).chain(wide.iter().copied())
    }

    /// Iterates over all ids in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.range(0..self.len())
    }

    /// Appends the ids in little-endian order with `width` bytes each, which must be at least
    /// [`bytes_per_id`](Self::bytes_per_id).
    pub fn write(&self, bytes: &mut Vec<u8>, width: usize) {
        match &self.0 {
            Store::Narrow(ids) if width == 2 => ids.iter().for_each(|id| bytes.extend(id.to_le_bytes())),
            _ => self.iter().for_each(|id| bytes.extend(id.to_le_bytes())),
        }
    }

    /// Reads ids of `width` bytes each, 2 or 4, as [`write`](Self::write) appends them. An incomplete id at the end is
    /// ignored.
    pub fn read(bytes: &[u8], width: usize) -> Self {
        Self(match width {
            2 => Store::Narrow(bytes.as_chunks().0.iter().map(|&id| u16::from_le_bytes(id)).collect()),
            _ => Store::Wide(bytes.as_chunks().0.iter().map(|&id| u32::from_le_bytes(id)).collect()),
        })
    }
}

impl Default for TokenIds {
    fn default() -> Self {
        Self(Store::Narrow(Vec::new()))
    }
}

/// Compares ids regardless of their width.
impl PartialEq for TokenIds {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

/// Uses the width that the largest id needs.
impl From<Vec<u32>> for TokenIds {
    fn from(ids: Vec<u32>) -> Self {
        match Self::width(ids.iter().max().map_or(0, |&id| id as usize + 1)) {
            2 => Self::narrow(ids.into_iter().map(|id| id as u16).collect()),
            _ => Self::wide(ids),
        }
    }
}

impl FromIterator<u32> for TokenIds {
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> Self {
        Self::from(ids.into_iter().collect::<Vec<_>>())
    }
}

/// Appends ids; doubling the capacity would take three times the needed memory at the end.
fn grow<T>(all: &mut Vec<T>, ids: impl Iterator<Item = T>) {
    for id in ids {
        if all.len() == all.capacity() {
            all.reserve_exact(all.len() / 8 + 1024);
        }
        all.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_two_bytes_up_to_a_vocabulary_of_65_535_and_four_above() {
        let narrow = TokenIds::from(vec![0, 65_534]);
        let wide = TokenIds::from(vec![0, 65_535, 262_143]);
        assert_eq!((narrow.bytes_per_id(), wide.bytes_per_id()), (2, 4));
        for (ids, expected) in [(narrow, vec![0, 65_534]), (wide, vec![0, 65_535, 262_143])] {
            assert_eq!(ids.iter().collect::<Vec<_>>(), expected);
            assert_eq!(ids.range(1..ids.len()).collect::<Vec<_>>(), expected[1..]);
            assert_eq!((ids.at(1), ids.len()), (expected[1], expected.len()));
            let mut bytes = Vec::new();
            ids.write(&mut bytes, ids.bytes_per_id());
            assert_eq!(bytes.len(), ids.len() * ids.bytes_per_id());
            assert_eq!(TokenIds::read(&bytes, ids.bytes_per_id()), ids);
        }
    }

    #[test]
    fn equal_ids_are_equal_in_any_width() {
        let wide = TokenIds::wide(vec![3, 9]);
        assert_eq!(wide, TokenIds::from(vec![3, 9]));
        assert_ne!(wide, TokenIds::from(vec![3, 8]));
        assert_ne!(wide, TokenIds::from(vec![3]));
    }
}
