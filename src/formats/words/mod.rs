//! Translates the exports. Their source files (Markdown, Python, a notebook) are in English. A language is a table from
//! English phrases to translations; English needs no table, and a phrase without a translation stays English. The
//! tables are in `web/page/locales/exports/`, and a test checks that they have every phrase.

mod markdown;
mod notebook;
mod python;

use std::collections::BTreeMap;

/// A number in English format, as a phrase: a table has the same number with its language's separators.
const NUMBER: &str = "1,234.5";

/// The translations of one language, by the English phrases.
#[derive(Debug, Clone, Default)]
pub struct Words(BTreeMap<String, String>);

impl Words {
    /// Makes the translations of a table of phrases; an empty table is English.
    pub fn new(table: BTreeMap<String, String>) -> Self {
        Self(table)
    }

    /// Translates a phrase; without a translation it stays English.
    pub(super) fn of<'a>(&'a self, english: &'a str) -> &'a str {
        self.0.get(english).map_or(english, |phrase| phrase)
    }

    /// Formats 1234567 as 1,234,567.
    pub(super) fn thousands(&self, number: u64) -> String {
        let (separator, _) = self.separators();
        let digits = number.to_string();
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push_str(&separator);
            }
            grouped.push(digit);
        }
        grouped
    }

    /// Replaces the decimal point of a number by this language's decimal separator.
    pub(super) fn decimal(&self, number: &str) -> String {
        number.replace('.', &self.separators().1)
    }

    /// The thousands separator and the decimal separator.
    fn separators(&self) -> (String, String) {
        let mut signs =
            self.of(NUMBER).split(|character: char| character.is_ascii_digit()).filter(|sign| !sign.is_empty());
        let mut next = |otherwise: &str| signs.next().unwrap_or(otherwise).to_string();
        (next(","), next("."))
    }

    /// Translates a Markdown text.
    pub(super) fn markdown(&self, text: &str) -> String {
        markdown::map_phrases(text, &mut |phrase| self.of(phrase).into())
    }

    /// Translates the comments and messages of a Python program.
    pub(super) fn python(&self, source: &str) -> String {
        python::map_phrases(source, &mut |phrase| self.of(phrase).into())
    }

    /// Translates a notebook.
    pub(super) fn notebook(&self, source: &str) -> String {
        match self.0.is_empty() {
            true => source.into(),
            false => notebook::map_phrases(source, &mut |phrase| self.of(phrase).into()),
        }
    }
}

/// A function that translates a phrase.
type Say<'a> = &'a mut dyn FnMut(&str) -> String;

/// Whether a text has letters outside its `{placeholders}`.
fn says_something(text: &str) -> bool {
    let mut depth = 0_usize;
    text.chars().any(|character| {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => return depth == 0 && character.is_alphabetic(),
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::formats::{carry_on, model_card, ollama};

    #[test]
    fn numbers_are_written_as_the_language_writes_them() {
        let english = Words::default();
        assert_eq!(["0", "999", "1,000", "12,345,678"], [0, 999, 1000, 12_345_678].map(|n| english.thousands(n))[..]);
        assert_eq!(english.decimal("0.25"), "0.25");
        let spanish = Words::new([(NUMBER.to_string(), "1.234,5".to_string())].into());
        assert_eq!((spanish.thousands(1_234_567), spanish.decimal("0.25")), ("1.234.567".into(), "0,25".into()));
    }

    /// All English phrases of the exports, which every table must have.
    fn phrases() -> Vec<String> {
        let single =
            [NUMBER, model_card::NOT_MEASURED, model_card::NEVER, ollama::UNKNOWN, ollama::DATED, ollama::SHORTER];
        let mut all: Vec<String> = single.map(String::from).into();
        let mut note = |phrase: &str| {
            all.push(phrase.into());
            phrase.into()
        };
        markdown::map_phrases(model_card::CARD, &mut note);
        python::map_phrases(carry_on::SCRIPT, &mut note);
        python::map_phrases(carry_on::TEXT, &mut note);
        notebook::map_phrases(carry_on::NOTEBOOK, &mut note);
        all.sort();
        all.dedup();
        all
    }

    /// The tables of all of the page's languages but English, by language code.
    fn tables() -> Vec<(String, BTreeMap<String, String>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/page/locales");
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let codes: Vec<_> = files.filter_map(|name| name.strip_suffix(".json").map(String::from)).collect();
        let table = |code: &String| {
            fs::read(folder.join("exports").join(format!("{code}.json")))
                .expect("each language of the page has a table in exports/")
        };
        let others = codes.iter().filter(|code| *code != "en");
        others.map(|code| (code.clone(), serde_json::from_slice(&table(code)).unwrap())).collect()
    }

    /// The sorted placeholders of a phrase: `{name}` of a card, expressions of an f-string.
    fn placeholders(phrase: &str) -> Vec<&str> {
        let mut all: Vec<_> =
            phrase.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn every_phrase_of_the_exports_is_there_in_every_language() {
        let all = phrases();
        assert!(all.len() > 150, "{}", all.len());
        for (code, table) in tables() {
            let lacking: Vec<_> = all.iter().filter(|phrase| !table.contains_key(*phrase)).collect();
            assert!(lacking.is_empty(), "{code} lacks {}", serde_json::to_string_pretty(&lacking).unwrap());
            let unknown: Vec<_> = table.keys().filter(|phrase| !all.contains(phrase)).collect();
            assert!(unknown.is_empty(), "{code} has what no export says: {unknown:#?}");
            for (english, phrase) in &table {
                assert_eq!(placeholders(english), placeholders(phrase), "{code}: {english}");
            }
        }
    }

    #[test]
    fn another_language_changes_no_code() {
        let code = |source: &str| python::map_phrases(source, &mut |_| "-".into());
        for (_, table) in tables() {
            let words = Words::new(table);
            for source in [carry_on::SCRIPT, carry_on::TEXT] {
                let said = words.python(source);
                assert_eq!(code(&said), code(source));
                let comments = said.lines().filter(|line| line.trim_start().starts_with('#'));
                assert_eq!(comments.filter(|line| line.chars().count() > 120).collect::<Vec<_>>(), [""; 0]);
            }
            let cells = |source: &str| notebook::map_phrases(source, &mut |_| "-".into());
            assert_eq!(cells(&words.notebook(carry_on::NOTEBOOK)), cells(carry_on::NOTEBOOK));
        }
    }

    #[test]
    fn sources_whose_phrases_stay_the_same_stay_the_same() {
        let mut same = |phrase: &str| phrase.to_string();
        assert_eq!(markdown::map_phrases(model_card::CARD, &mut same), model_card::CARD);
        assert_eq!(python::map_phrases(carry_on::SCRIPT, &mut same), carry_on::SCRIPT);
        assert_eq!(python::map_phrases(carry_on::TEXT, &mut same), carry_on::TEXT);
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(json(&notebook::map_phrases(carry_on::NOTEBOOK, &mut same)), json(carry_on::NOTEBOOK));
    }
}
