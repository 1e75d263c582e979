//! Detects binary files by their first bytes, so that a large video is refused at once.

/// Number of first bytes that are checked.
pub const HEAD: usize = 4096;

/// File signatures of binary formats.
const KINDS: [(&str, &[u8]); 22] = [
    ("png", b"\x89PNG\r\n\x1A\n"),
    ("jpeg", b"\xFF\xD8\xFF"),
    ("gif", b"GIF8"),
    ("pdf", b"%PDF-"),
    // Also the signature of .docx, .odt and .epub.
    ("zip", b"PK\x03\x04"),
    ("zip", b"PK\x05\x06"),
    ("7z", b"7z\xBC\xAF\x27\x1C"),
    ("rar", b"Rar!\x1A\x07"),
    ("bzip2", b"BZh"),
    ("xz", b"\xFD7zXZ\0"),
    ("zstd", b"\x28\xB5\x2F\xFD"),
    ("gzip", b"\x1F\x8B"),
    ("doc", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"),
    ("elf", b"\x7FELF"),
    ("wasm", b"\0asm"),
    ("sqlite", b"SQLite format 3\0"),
    ("parquet", b"PAR1"),
    ("ogg", b"OggS"),
    ("flac", b"fLaC"),
    ("mp3", b"ID3"),
    ("utf-32", b"\xFF\xFE\0\0"),
    ("utf-32", b"\0\0\xFE\xFF"),
];

/// The format whose signature the first bytes have.
pub fn kind(head: &[u8]) -> Option<&'static str> {
    KINDS.iter().find(|(_, magic)| head.starts_with(magic)).map(|(kind, _)| *kind)
}

/// Counts control characters that are not used in text, except NUL. For bytes of any encoding but UTF-16.
pub fn controls(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| (1..0x20).contains(&byte) && !b"\t\n\x0C\r\x08\x1B".contains(&byte)).count()
}

/// Whether bytes are binary: more than 1 in 20 are control characters; or more than half are NULs; or, with invalid
/// UTF-8, more than 1 in 20 is a NUL. A few NULs in a text are damage or padding.
pub fn has_binary_bytes(bytes: &[u8]) -> bool {
    let nuls = bytes.iter().filter(|&&byte| byte == 0).count();
    let others = bytes.len() - nuls;
    let torn = || bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum::<usize>() > 4;
    20 * controls(bytes) > others || nuls > others || (20 * nuls > others && torn())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_not_binary() {
        assert!(!has_binary_bytes(b"tabs\tand\r\nlines\x0C, \x1B[1mbold\x1B[0m"));
        assert!(!has_binary_bytes("ñ 漢字 🦜".as_bytes()));
        assert!(!has_binary_bytes(b""));
        assert_eq!(kind(b"PK is an abbreviation"), None);
    }

    #[test]
    fn a_text_with_some_nuls_is_not_binary() {
        assert!(!has_binary_bytes(b"a\0b"));
        assert!(!has_binary_bytes(b"one.txt\0two.txt\0three.txt\0"));
        assert!(!has_binary_bytes(b"a log that was cut off by a power failure\0\0\0\0\0\0\0\0\0\0\0\0"));
    }

    #[test]
    fn binary_files_are_detected() {
        assert!(has_binary_bytes(&[0; 8]));
        assert!(has_binary_bytes(b"a\0\0\0b\0\0\0"));
        assert!(has_binary_bytes(b"\x01\x02\x03 and so on"));
        assert!(has_binary_bytes(b"\xFF\xE1\0\x80 abc \xC0\xC0\0 and \xC1\xFE\0 so on"));
        assert_eq!(kind(b"%PDF-1.7"), Some("pdf"));
        assert_eq!(kind(b"PK\x03\x04\x14"), Some("zip"));
    }
}
