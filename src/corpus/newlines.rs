//! CRLF and lone CR become LF, also where a chunk ends between the two.

/// Appends pieces to a text, changing line endings on the way.
#[derive(Debug, Default)]
pub struct Newlines {
    /// The last piece ended in CR, for which LF has been written; an LF that comes next belongs to it.
    after_cr: bool,
}

impl Newlines {
    pub fn push(&mut self, text: &mut String, piece: &str) {
        let mut rest = piece;
        if rest.is_empty() {
            return;
        }
        if std::mem::take(&mut self.after_cr) {
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
        while let Some((line, after)) = rest.split_once('\r') {
            text.push_str(line);
            text.push('\n');
            self.after_cr = after.is_empty();
            rest = after.strip_prefix('\n').unwrap_or(after);
        }
        text.push_str(rest);
    }
}

/// Changes the line ends of a whole text within the memory that it has.
pub fn all_lf(text: String) -> String {
    if !text.as_bytes().contains(&b'\r') {
        return text;
    }
    let mut bytes = text.into_bytes();
    let (mut kept, mut after_cr) = (0, false);
    for at in 0..bytes.len() {
        let byte = bytes[at];
        if byte == b'\n' && after_cr {
            after_cr = false;
            continue;
        }
        after_cr = byte == b'\r';
        bytes[kept] = if after_cr { b'\n' } else { byte };
        kept += 1;
    }
    bytes.truncate(kept);
    String::from_utf8(bytes).expect("only ASCII was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[&str]) -> String {
        let (mut newlines, mut text) = (Newlines::default(), String::new());
        pieces.iter().for_each(|piece| newlines.push(&mut text, piece));
        text
    }

    #[test]
    fn every_ending_becomes_lf() {
        assert_eq!(joined(&["a\r\nb\rc\n\r\n\r\rd\r"]), "a\nb\nc\n\n\n\nd\n");
    }

    #[test]
    fn a_whole_text_becomes_the_same() {
        for text in ["a\r\nb\rc\n\r\n\r\rd\r", "ñ\r\r\n漢", "", "\n\r", "plain\n"] {
            assert_eq!(all_lf(text.to_owned()), joined(&[text]), "{text:?}");
        }
    }

    #[test]
    fn a_pair_cut_in_two_is_one_ending() {
        assert_eq!(joined(&["a\r", "\nb"]), "a\nb");
        assert_eq!(joined(&["a\r", "", "\n", "\nb"]), "a\n\nb");
        assert_eq!(joined(&["a\r", "\r", "\nb"]), "a\n\nb");
        assert_eq!(joined(&["a\r", "b\n"]), "a\nb\n");
    }
}
