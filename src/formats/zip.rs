//! Writes a ZIP archive of uncompressed files (PKWARE's APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16). Weights
//! hardly compress, and a crate for all of ZIP would be larger than these few records.

use crate::error::{Error, Result};

/// 1 January 1980, constant so that the same model gives the same archive.
const DATE: u16 = (1 << 5) | 1;

/// The version of ZIP that stored files need, 2.0.
const VERSION: u16 = 20;

#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    /// The central directory for the end of the archive: one record per file.
    directory: Vec<u8>,
    files: u16,
}

impl Archive {
    /// Adds a file with an ASCII name; `fill` appends its content to its argument.
    pub fn add(&mut self, name: &str, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.bytes.len();
        self.bytes.extend(*b"PK\x03\x04");
        let fields = self.bytes.len();
        self.bytes.extend(fields_of(name, 0, 0));
        self.bytes.extend(name.as_bytes());
        let content = self.bytes.len();
        fill(&mut self.bytes)?;
        let limit = u64::from(u32::MAX);
        let (Ok(offset), Ok(size)) = (u32::try_from(start), u32::try_from(self.bytes.len() - content)) else {
            return Err(Error::FileTooLarge { name: name.to_owned(), bytes: self.bytes.len() as u64, limit });
        };
        let known = fields_of(name, crc32fast::hash(&self.bytes[content..]), size);
        self.bytes[fields..][..known.len()].copy_from_slice(&known);

        let [none16, none32] = [&[0; 2][..], &[0; 4][..]];
        self.directory.extend(*b"PK\x01\x02");
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(known);
        // No comment, first disk, no internal or external attributes.
        [none16, none16, none16, none32].iter().for_each(|field| self.directory.extend(*field));
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.files += 1;
        Ok(())
    }

    pub fn finish(mut self) -> Vec<u8> {
        let (start, size) = (self.bytes.len() as u32, self.directory.len() as u32);
        self.bytes.append(&mut self.directory);
        self.bytes.extend(*b"PK\x05\x06");
        // One disk.
        self.bytes.extend([0; 4]);
        [self.files; 2].iter().for_each(|files| self.bytes.extend(files.to_le_bytes()));
        [size, start].iter().for_each(|number| self.bytes.extend(number.to_le_bytes()));
        // No comment.
        self.bytes.extend([0; 2]);
        self.bytes
    }
}

/// The fields that both records of a file share, from the version that is needed to the length of the extra field.
fn fields_of(name: &str, checksum: u32, size: u32) -> [u8; 26] {
    let mut fields = [0; 26];
    let mut put = |at: usize, bytes: &[u8]| fields[at..][..bytes.len()].copy_from_slice(bytes);
    put(0, &VERSION.to_le_bytes());
    // Flags, the method (stored) and the time are 0.
    put(8, &DATE.to_le_bytes());
    put(10, &checksum.to_le_bytes());
    put(14, &size.to_le_bytes());
    put(18, &size.to_le_bytes());
    put(22, &(name.len() as u16).to_le_bytes());
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zip_records_are_at_the_offsets_of_the_format() {
        let mut archive = Archive::default();
        let fill = |out: &mut Vec<u8>| {
            out.extend(*b"123456789");
            Ok(())
        };
        archive.add("a.txt", fill).unwrap();
        archive.add("empty", |_| Ok(())).unwrap();
        let bytes = archive.finish();
        let number = |at: usize| u32::from_le_bytes(bytes[at..][..4].try_into().unwrap());
        assert_eq!(&bytes[30..44], b"a.txt123456789");
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!([number(14), number(18), number(22)], [0xcbf4_3926, 9, 9]);
        let end = bytes.len() - 22;
        assert_eq!(number(end), u32::from_le_bytes(*b"PK\x05\x06"));
        let directory = number(end + 16) as usize;
        assert_eq!(directory + number(end + 12) as usize, end);
        assert_eq!(&bytes[directory + 46..][..5], b"a.txt");
        let second = directory + 46 + 5;
        assert_eq!(number(second), u32::from_le_bytes(*b"PK\x01\x02"));
        assert_eq!(&bytes[number(second + 42) as usize..][..4], b"PK\x03\x04");
    }
}
