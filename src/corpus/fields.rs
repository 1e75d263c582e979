//! Chooses the column or field that holds the text.

/// Number of rows that are sampled.
pub const SAMPLE: usize = 50;

/// Largest number of columns or fields that are listed, because nobody could choose among more.
pub const MOST: usize = 256;

/// An amount of text, compared field by field in this order, because addresses, hashes and numbers are long, too, and
/// names many.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    /// Letters in texts of several words.
    pub several: u64,
    pub letters: u64,
    pub bytes: u64,
}

impl Amount {
    pub fn of(text: &str) -> Self {
        let mut measure = Measure::default();
        measure.push(text);
        measure.amount()
    }

    pub fn add(&mut self, other: Self) {
        self.several += other.several;
        self.letters += other.letters;
        self.bytes += other.bytes;
    }
}

/// Letters of a script without spaces that are certainly more than one word.
const SEVERAL_WITHOUT_SPACES: u64 = 5;

/// Measures one text, piece by piece.
#[derive(Debug, Default)]
pub struct Measure {
    letters: u64,
    bytes: u64,
    words: u64,
    within_word: bool,
    /// Letters of scripts without spaces between words.
    without_spaces: u64,
}

impl Measure {
    pub fn push(&mut self, piece: &str) {
        self.bytes += piece.len() as u64;
        for character in piece.chars() {
            if character.is_alphabetic() {
                self.letters += 1;
                self.words += u64::from(!self.within_word);
                self.within_word = true;
                self.without_spaces += u64::from(!character.is_ascii() && has_no_spaces(character));
            } else if character.is_whitespace() {
                self.within_word = false;
            }
        }
    }

    pub fn amount(&self) -> Amount {
        let several = self.words > 1 || self.without_spaces >= SEVERAL_WITHOUT_SPACES;
        Amount { several: if several { self.letters } else { 0 }, letters: self.letters, bytes: self.bytes }
    }
}

/// Whether a character is Thai, Lao, Burmese, Khmer, Japanese or Chinese.
fn has_no_spaces(character: char) -> bool {
    matches!(u32::from(character), 0xE00..=0xEFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF
        | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

/// The columns of a table, and the amount of text of each in the first rows.
#[derive(Debug, Default)]
pub struct Fields {
    fields: Vec<(String, Amount)>,
}

impl Fields {
    pub fn named(names: Vec<String>) -> Self {
        Self { fields: names.into_iter().map(|name| (name, Amount::default())).collect() }
    }

    /// Adds to the amount of text of a column.
    pub fn note_column(&mut self, column: usize, amount: Amount) {
        if let Some((_, seen)) = self.fields.get_mut(column) {
            seen.add(amount);
        }
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|(field, _)| field == name)
    }

    /// The field with the most text, except rejected answers; the first of equals.
    pub fn fullest(&self) -> Option<usize> {
        let rejected = rejected(|| self.fields.iter().map(|(name, _)| name.as_str()));
        let able = (0..self.fields.len()).filter(|&column| !rejected(&self.fields[column].0));
        able.rev().max_by_key(|&column| self.fields[column].1)
    }

    pub fn name(&self, column: usize) -> &str {
        &self.fields[column].0
    }

    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }
}

/// Returns a test for names of rejected answers: preference data has pairs of a chosen and a rejected answer, and the
/// latter must not be learned by accident.
pub fn rejected<'a, N: Iterator<Item = &'a str>>(names: impl Fn() -> N) -> impl Fn(&str) -> bool {
    let holds = |name: &str, word: &str| name.to_ascii_lowercase().contains(word);
    let pairs = names().any(|name| holds(name, "chosen")) && names().any(|name| holds(name, "rejected"));
    move |name| pairs && holds(name, "rejected")
}

/// The names that a user can choose from, and the number of further ones.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Choice {
    pub names: Vec<String>,
    pub more: usize,
}

impl Choice {
    /// The first names, always including the one that is read.
    pub fn of<'a>(names: impl Iterator<Item = &'a str>, read: Option<&str>) -> Self {
        let mut choice = Self::default();
        let mut listed = read.is_none();
        for name in names {
            if choice.names.len() < MOST {
                listed |= Some(name) == read;
                choice.names.push(name.to_owned());
            } else {
                choice.more += 1;
            }
        }
        if let Some((last, read)) = choice.names.last_mut().zip(read.filter(|_| !listed && choice.more > 0)) {
            *last = read.to_owned();
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_several_words_count_first() {
        assert_eq!(Amount::of("ñandú y río"), Amount { several: 9, letters: 9, bytes: 14 });
        assert_eq!(Amount::of("a1b2-c3"), Amount { several: 0, letters: 3, bytes: 7 });
        assert_eq!(Amount::of(" 12 / 7 "), Amount { several: 0, letters: 0, bytes: 8 });
        assert!(Amount::of("灯塔立在海边").several == 6 && Amount::of("灯塔").several == 0);
        let mut measure = Measure::default();
        ["two wo", "rd", "s"].into_iter().for_each(|piece| measure.push(piece));
        assert_eq!(measure.amount(), Amount::of("two words"));
    }

    #[test]
    fn the_fullest_field_is_never_a_rejected_answer() {
        let fullest = |names: &[(&str, &str)]| {
            let mut fields = Fields::named(names.iter().map(|(name, _)| (*name).to_owned()).collect());
            names.iter().enumerate().for_each(|(column, (_, text))| fields.note_column(column, Amount::of(text)));
            fields.fullest().map(|column| fields.name(column).to_owned())
        };
        let id = "0123456789-0123456789-0123456789";
        assert_eq!(fullest(&[("id", id), ("quote", "some words"), ("q2", "some words")]).as_deref(), Some("quote"));
        assert_eq!(fullest(&[("name", "Nelanelanelanelanela"), ("quote", "a b")]).as_deref(), Some("quote"));
        assert_eq!(fullest(&[("Chosen", "it is"), ("Rejected", "a long reply")]).as_deref(), Some("Chosen"));
        assert_eq!(fullest(&[("rejected", "a long reply"), ("note", "it is")]).as_deref(), Some("rejected"));
        assert_eq!(fullest(&[]), None);
    }

    #[test]
    fn a_choice_is_limited_and_includes_the_field_that_is_read() {
        let names: Vec<String> = (0..1000).map(|number| format!("c{number}")).collect();
        let choice = Choice::of(names.iter().map(String::as_str), Some("c999"));
        assert_eq!((choice.names.len(), choice.more), (MOST, 1000 - MOST));
        assert_eq!((choice.names[0].as_str(), choice.names[MOST - 1].as_str()), ("c0", "c999"));
        let few = Choice::of(["a", "b"].into_iter(), Some("b"));
        assert_eq!(few, Choice { names: vec!["a".into(), "b".into()], more: 0 });
    }
}
