//! Compacts a text to some of its parts, within the memory that the whole text took.

use std::ops::Range;

/// A text that is read from its start and overwritten from its start with the parts that are kept. The kept part of a
/// row is never longer than the row, so writing never overtakes reading and no second copy is needed.
pub struct Compact {
    bytes: Vec<u8>,
    kept: usize,
    documents: Vec<Range<usize>>,
}

impl Compact {
    pub fn new(text: String) -> Self {
        Self { bytes: text.into_bytes(), kept: 0, documents: Vec::new() }
    }

    /// The whole text; only the part that has not been read yet is unchanged.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Keeps a document from the row that ends at `read`.
    pub fn keep(&mut self, document: &str, read: usize) {
        let end = self.kept + document.len();
        assert!(end <= read, "a document is longer than its row");
        self.bytes[self.kept..end].copy_from_slice(document.as_bytes());
        self.documents.push(self.kept..end);
        self.kept = end;
    }

    pub fn finish(self) -> (String, Vec<Range<usize>>) {
        let Self { mut bytes, kept, documents } = self;
        bytes.truncate(kept);
        bytes.shrink_to_fit();
        (String::from_utf8(bytes).expect("whole documents were written"), documents)
    }
}
