//! Inflates gzip, chunk by chunk.

use std::io::Write;

use flate2::write::GzDecoder;

/// The two bytes every gzip file begins with, and the only method there is.
pub const MAGIC: &[u8] = b"\x1F\x8B\x08";

/// How much is to be inflated at a time: a thousand times as much, the most that deflate can reach, is the memory a gzip
/// bomb can take before its size is seen.
pub const STEP: usize = 4096;

/// The file is cut or damaged.
#[derive(Debug)]
pub struct Damaged;

/// A file of one member or several, each inflated by a decoder of its own. Zeros after a member fill up the last block of
/// a tape or a disk, and are no damage (gzip 1.13 takes them as padding, too).
pub struct Inflater {
    decoder: GzDecoder<Vec<u8>>,
    /// A member has ended, and no other has begun.
    between: bool,
}

impl Inflater {
    pub fn new() -> Self {
        Self { decoder: GzDecoder::new(Vec::new()), between: false }
    }

    /// What comes out of the next bytes.
    pub fn inflate(&mut self, step: &[u8]) -> Result<&[u8], Damaged> {
        self.decoder.get_mut().clear();
        let mut rest = step;
        loop {
            if self.between {
                rest = &rest[rest.iter().take_while(|&&byte| byte == 0).count()..];
            }
            if rest.is_empty() {
                return Ok(self.decoder.get_ref());
            }
            if std::mem::take(&mut self.between) {
                let so_far = std::mem::take(self.decoder.get_mut());
                self.decoder = GzDecoder::new(so_far);
            }
            let taken = self.decoder.write(rest).map_err(|_| Damaged)?;
            rest = &rest[taken..];
            // A member that has ended takes no more; its checksum is held against its text now.
            if taken == 0 {
                self.decoder.try_finish().map_err(|_| Damaged)?;
                self.between = true;
            }
        }
    }

    /// What comes out at last.
    pub fn finish(mut self) -> Result<Vec<u8>, Damaged> {
        self.decoder.get_mut().clear();
        if self.between { Ok(Vec::new()) } else { self.decoder.finish().map_err(|_| Damaged) }
    }
}
