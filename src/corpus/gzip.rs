//! Gzip, inflated as it comes in.

use std::io::Write;

use flate2::write::MultiGzDecoder;

/// The two bytes every gzip file begins with, and the only method there is.
pub const MAGIC: &[u8] = b"\x1F\x8B\x08";

/// How much is to be inflated at a time: a thousand times as much, the most that deflate can reach, is the memory a gzip
/// bomb can take before its size is seen.
pub const STEP: usize = 4096;

/// The file is cut or damaged.
#[derive(Debug)]
pub struct Damaged;

pub struct Inflater {
    decoder: MultiGzDecoder<Vec<u8>>,
}

impl Inflater {
    pub fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()) }
    }

    /// What comes out of the next bytes.
    pub fn inflate(&mut self, step: &[u8]) -> Result<&[u8], Damaged> {
        self.decoder.get_mut().clear();
        self.decoder.write_all(step).map_err(|_| Damaged)?;
        Ok(self.decoder.get_ref())
    }

    /// What comes out at last.
    pub fn finish(mut self) -> Result<Vec<u8>, Damaged> {
        self.decoder.get_mut().clear();
        self.decoder.finish().map_err(|_| Damaged)
    }
}
