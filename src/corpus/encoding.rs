//! The supported text encodings.

use serde::{Deserialize, Serialize};

/// The supported encodings, named as in the WHATWG Encoding Standard (and so in JavaScript's `TextDecoder`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum Encoding {
    #[serde(rename = "utf-8")]
    Utf8,
    #[serde(rename = "utf-16le")]
    Utf16Le,
    #[serde(rename = "utf-16be")]
    Utf16Be,
    #[serde(rename = "windows-1250")]
    Windows1250,
    #[serde(rename = "windows-1251")]
    Windows1251,
    #[serde(rename = "windows-1252")]
    Windows1252,
    #[serde(rename = "windows-1253")]
    Windows1253,
    #[serde(rename = "windows-1254")]
    Windows1254,
    #[serde(rename = "windows-1255")]
    Windows1255,
    #[serde(rename = "windows-1256")]
    Windows1256,
    #[serde(rename = "windows-1257")]
    Windows1257,
    #[serde(rename = "windows-1258")]
    Windows1258,
    #[serde(rename = "windows-874")]
    Windows874,
    #[serde(rename = "iso-8859-2")]
    Iso8859_2,
    #[serde(rename = "koi8-r")]
    Koi8R,
    #[serde(rename = "koi8-u")]
    Koi8U,
    #[serde(rename = "ibm866")]
    Ibm866,
    #[serde(rename = "macintosh")]
    Macintosh,
    #[serde(rename = "gb18030")]
    Gb18030,
    #[serde(rename = "big5")]
    Big5,
    #[serde(rename = "shift_jis")]
    ShiftJis,
    #[serde(rename = "euc-jp")]
    EucJp,
    #[serde(rename = "euc-kr")]
    EucKr,
}

impl Encoding {
    /// The encoding of the byte order mark at the beginning of a file.
    pub fn of_mark(head: &[u8]) -> Option<Self> {
        [Self::Utf8, Self::Utf16Le, Self::Utf16Be].into_iter().find(|encoding| head.starts_with(encoding.mark()))
    }

    /// The byte order mark; empty if there is none.
    pub fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8 => b"\xEF\xBB\xBF",
            Self::Utf16Le => b"\xFF\xFE",
            Self::Utf16Be => b"\xFE\xFF",
            _ => b"",
        }
    }

    /// Whether characters have at least two bytes, so that ASCII contains NULs.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be)
    }

    /// Whether characters beyond ASCII have several bytes, so that text can be valid UTF-8 by chance.
    pub fn is_multibyte(self) -> bool {
        matches!(self, Self::Gb18030 | Self::Big5 | Self::ShiftJis | Self::EucJp | Self::EucKr)
    }

    /// The label for `TextDecoder`.
    pub fn label(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or("utf-8").to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_names_are_those_of_javascript() {
        assert_eq!(serde_json::to_value(Encoding::Windows1252).unwrap(), "windows-1252");
        assert_eq!(serde_json::from_str::<Encoding>("\"utf-16le\"").unwrap(), Encoding::Utf16Le);
        assert_eq!(Encoding::ShiftJis.label(), "shift_jis");
    }
}
