//! Inflates gzip, chunk by chunk.

use std::io::Write;

use flate2::write::GzDecoder;

/// The first two bytes of every gzip file, and the only compression method.
pub const MAGIC: &[u8] = b"\x1F\x8B\x08";

/// Bytes inflated at a time: a thousand times as much, the highest ratio of deflate, is the memory that a gzip bomb can
/// take before its size is checked.
pub const STEP: usize = 4096;

/// The file is incomplete or damaged.
#[derive(Debug)]
pub struct Damaged;

/// Inflates a file of one or several members, each with its own decoder. Zeros after a member are padding of a tape or
/// disk block, not damage (gzip 1.13 accepts them as padding, too).
pub struct Inflater {
    decoder: GzDecoder<Vec<u8>>,
    /// A member has ended, and the next has not begun.
    between: bool,
}

impl Inflater {
    pub fn new() -> Self {
        Self { decoder: GzDecoder::new(Vec::new()), between: false }
    }

    /// Inflates the next bytes.
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
            // A decoder at the end of its member takes no more; its checksum is verified now.
            if taken == 0 {
                self.decoder.try_finish().map_err(|_| Damaged)?;
                self.between = true;
            }
        }
    }

    /// Returns the remaining output.
    pub fn finish(mut self) -> Result<Vec<u8>, Damaged> {
        self.decoder.get_mut().clear();
        if self.between { Ok(Vec::new()) } else { self.decoder.finish().map_err(|_| Damaged) }
    }
}
