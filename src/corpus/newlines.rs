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
    fn a_pair_cut_in_two_is_one_ending() {
        assert_eq!(joined(&["a\r", "\nb"]), "a\nb");
        assert_eq!(joined(&["a\r", "", "\n", "\nb"]), "a\n\nb");
        assert_eq!(joined(&["a\r", "\r", "\nb"]), "a\n\nb");
        assert_eq!(joined(&["a\r", "b\n"]), "a\nb\n");
    }
}
