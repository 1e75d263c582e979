//! Repairs nearly valid JSON: common deviations from the standard that have only one meaning.
//!
//! - `NaN`, `Infinity` and `-Infinity` (Python's json module), `None`, `True`, `False`, `undefined`: values without text
//! - superfluous commas: before the end of a list or of the file, after the beginning of a list, after another comma
//! - commas between top-level values, as in JSON Lines whose lines end with one
//! - comments: `// …`, `/* … */`
//!
//! Every repair replaces bytes by as many bytes, so that lines and columns stay the same.

/// Literals of other languages, and JSON of the same length.
const WORDS: [(&[u8], &[u8]); 8] = [
    (b"NaN", b"0  "),
    (b"Infinity", b"0       "),
    (b"-Infinity", b"0        "),
    (b"+Infinity", b"0        "),
    (b"undefined", b"null     "),
    (b"None", b"null"),
    (b"True", b"true"),
    (b"False", b"false"),
];

/// Repairs these deviations; other errors stay.
pub fn mend(text: String) -> String {
    let mut bytes = text.into_bytes();
    let mut at = 0;
    let mut depth = 0_usize;
    // The last comma, as long as only white space follows it.
    let mut comma = None;
    // Whether a comma would follow a value.
    let mut after_value = false;
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => at += 1,
            b'/' if matches!(bytes.get(at + 1), Some(b'/' | b'*')) => at = blank_comment(&mut bytes, at),
            b',' => {
                if !after_value || comma.is_some() || depth == 0 {
                    bytes[at] = b' ';
                } else {
                    comma = Some(at);
                }
                at += 1;
            }
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    bytes[comma] = b' ';
                }
                depth = depth.saturating_sub(1);
                after_value = true;
                at += 1;
            }
            b'{' | b'[' => {
                (comma, after_value) = (None, false);
                depth += 1;
                at += 1;
            }
            b'"' => {
                (comma, after_value) = (None, true);
                at = end_of_string(&bytes, at + 1);
            }
            b':' => {
                (comma, after_value) = (None, false);
                at += 1;
            }
            _ => {
                (comma, after_value) = (None, true);
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:[]{}\"/".contains(byte);
                let end = at + bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at).max(1);
                let word = &mut bytes[at..end];
                if let Some((_, json)) = WORDS.iter().find(|(other, _)| *other == word) {
                    word.copy_from_slice(json);
                }
                at = end;
            }
        }
    }
    if let Some(comma) = comma {
        bytes[comma] = b' ';
    }
    // Only whole comments and ASCII bytes were replaced.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Blanks a comment except for its line ends; returns the position after it.
fn blank_comment(bytes: &mut [u8], start: usize) -> usize {
    let rest = &bytes[start + 2..];
    let end = match bytes[start + 1] {
        b'/' => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
        _ => rest.windows(2).position(|pair| pair == b"*/").map_or(rest.len(), |at| at + 2),
    };
    let end = start + 2 + end;
    bytes[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    end
}

fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{check, check_all};

    #[test]
    fn common_deviations_are_repaired() {
        for (written, count) in [
            (r#"[{"text": "a", "n": NaN}, {"n": -Infinity, "m": Infinity, "text": "b"},]"#, 1),
            ("{\"a\": 1,}", 1),
            ("[1,,2, , ]", 1),
            ("[,1]", 1),
            ("// shells, of the bay\n[{\"text\": /* ñ, \"x\" */ \"a // b\"}] // end", 1),
            ("{\"a\": 1},\n{\"a\": 2},\n", 2),
            ("{\"a\": 1}\n{\"a\": 2}", 2),
            ("{\"a\": None, \"b\": True, \"c\": undefined}", 1),
        ] {
            let mended = mend(written.to_owned());
            assert_eq!(mended.len(), written.len());
            assert_eq!(mended.matches('\n').count(), written.matches('\n').count());
            assert_eq!(check_all(&mended), Ok(count), "{written} became {mended}");
        }
    }

    #[test]
    fn valid_json_is_unchanged() {
        let text = r#"[{"text": "a,] NaN // \",}", "b": [1, -2.5], "NaN": null}, "x,", {}, []]"#;
        assert_eq!(mend(text.to_owned()), text);
    }

    #[test]
    fn other_errors_are_not_repaired() {
        for text in
            ["{\"a\":,}", "{\"a\": NaNs}", "[1 2]", "{a: 1}", "{\"a\": \"b\"", "{'a': 'b'}", "/*", "words", "}{"]
        {
            assert!(check(&mend(text.to_owned())).is_err(), "{text}");
        }
        assert_eq!(check_all(&mend(",".to_owned())), Ok(0));
    }
}
