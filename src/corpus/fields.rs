//! Which column or field holds the text?

/// Rows that are looked at to find out.
pub const SAMPLE: usize = 50;

/// More are not listed; nobody could choose among them.
const MOST: usize = 256;

/// How much text was seen. Letters count first: addresses, hashes and numbers are long, too.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    letters: u64,
    bytes: u64,
}

impl Amount {
    pub fn of(text: &str) -> Self {
        let letters = text.chars().filter(|character| character.is_alphabetic()).count();
        Self { letters: letters as u64, bytes: text.len() as u64 }
    }

    /// What a sample says of all `rows`.
    pub fn of_all(self, rows: usize) -> Self {
        let all = |seen: u64| seen.saturating_mul(rows as u64) / rows.clamp(1, SAMPLE) as u64;
        Self { letters: all(self.letters), bytes: all(self.bytes) }
    }

    fn add(&mut self, other: Self) {
        self.letters += other.letters;
        self.bytes += other.bytes;
    }
}

/// The fields of the first rows, in the order they were met.
#[derive(Debug, Default)]
pub struct Fields {
    fields: Vec<(String, Amount)>,
}

impl Fields {
    pub fn named(names: Vec<String>) -> Self {
        Self { fields: names.into_iter().map(|name| (name, Amount::default())).collect() }
    }

    /// Adds text seen in a column.
    pub fn note_column(&mut self, column: usize, text: &str) {
        if let Some((_, amount)) = self.fields.get_mut(column) {
            amount.add(Amount::of(text));
        }
    }

    /// Adds text seen in a field.
    pub fn note(&mut self, name: &str, text: &str) {
        match self.position(name) {
            Some(column) => self.note_column(column, text),
            None if self.fields.len() < MOST => self.fields.push((name.to_owned(), Amount::of(text))),
            None => {}
        }
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|(field, _)| field == name)
    }

    /// The field with the most text; of equals the first.
    pub fn fullest(&self) -> Option<usize> {
        (0..self.fields.len()).rev().max_by_key(|&column| self.fields[column].1)
    }

    /// The field with a name that data sets use for their text, otherwise the fullest.
    pub fn likely(&self) -> Option<usize> {
        let named = |wanted: &&str| self.fields.iter().position(|(name, _)| name.eq_ignore_ascii_case(wanted));
        ["text", "content", "body"].iter().find_map(named).or_else(|| self.fullest())
    }

    pub fn name(&self, column: usize) -> &str {
        &self.fields[column].0
    }

    /// All text there is in the fullest field.
    pub fn amount(&self) -> Amount {
        self.fullest().map(|column| self.fields[column].1).unwrap_or_default()
    }

    pub fn names(&self) -> Vec<String> {
        self.fields.iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn into_names(self) -> Vec<String> {
        self.fields.into_iter().map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(name, text)| fields.note(name, text));
        fields
    }

    #[test]
    fn usual_names_come_first() {
        let fields = seen(&[("summary", "a long summary of the thing"), ("Text", "short")]);
        assert_eq!(fields.name(fields.likely().unwrap()), "Text");
    }

    #[test]
    fn otherwise_the_most_letters() {
        let fields = seen(&[("id", "0123456789-0123456789-0123456789"), ("quote", "some words"), ("q2", "some words")]);
        assert_eq!(fields.name(fields.likely().unwrap()), "quote");
        assert_eq!(Fields::default().likely(), None);
    }
}
