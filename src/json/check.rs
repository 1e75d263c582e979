//! Validates JSON and reports the position and cause of an error.

use serde::de::IgnoredAny;

/// The position and cause of a JSON error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// From 1 on.
    pub line: u64,
    /// In characters, from 1 on.
    pub column: u64,
    /// The parser's message.
    pub reason: String,
}

/// Checks that the text is one value.
///
/// # Errors
/// The position of the error.
pub fn check(text: &str) -> Result<(), Invalid> {
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| Invalid::of(text, &error))
}

/// Checks that the text is a sequence of values and counts them. White space between them is not needed.
///
/// # Errors
/// The position of the first error.
pub fn check_all(text: &str) -> Result<usize, Invalid> {
    let mut count = 0;
    for value in serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>() {
        value.map_err(|error| Invalid::of(text, &error))?;
        count += 1;
    }
    Ok(count)
}

impl Invalid {
    fn of(text: &str, error: &serde_json::Error) -> Self {
        let said = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let reason = said.strip_suffix(&place).unwrap_or(&said).to_owned();
        let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
        // serde_json counts bytes, and 0 at the end of a line.
        let bytes = line.as_bytes();
        let before = &bytes[..error.column().saturating_sub(1).min(bytes.len())];
        let column = String::from_utf8_lossy(before).chars().count() as u64 + 1;
        Self { line: error.line() as u64, column, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters() {
        let invalid = check("{\n\"añil 漢\": nope}").unwrap_err();
        assert_eq!((invalid.line, invalid.column), (2, 12));
        assert_eq!(invalid.reason, "expected ident");
        assert_eq!(check("[1, 2").unwrap_err().line, 1);
        assert_eq!(check(" [1, {\"a\": null}] "), Ok(()));
    }

    #[test]
    fn several_values_are_counted() {
        assert_eq!(check_all("{\"a\": 1}\n{} [2]"), Ok(3));
        assert_eq!(check_all(" \n "), Ok(0));
        assert_eq!(check_all("{\"a\": 1}\n{\"a\" 1}").unwrap_err().line, 2);
    }
}
