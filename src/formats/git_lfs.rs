//! Detects Git LFS pointers: the few lines of text that a clone without Git LFS has instead of a large file (git-lfs,
//! `docs/spec.md`, version 1).

use crate::error::{Error, Result};

/// The first line, which states the version of the pointer format as a URL.
const BEGINNING: &[u8] = b"version https://git-lfs";

/// Refuses a Git LFS pointer.
///
/// # Errors
/// [`Error::GitLfsPointer`] if `bytes`, the file `name` or its beginning, are a pointer.
pub fn refuse_pointer(name: &str, bytes: &[u8]) -> Result<()> {
    match bytes.starts_with(BEGINNING) {
        true => Err(Error::GitLfsPointer { name: name.to_owned() }),
        false => Ok(()),
    }
}
