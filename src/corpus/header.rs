//! Detects a table's separator and whether its first row is a header. No file says so; its first rows together show it.

use std::collections::BTreeSet;

use super::fields::SAMPLE;
use super::rows::Rows;

/// The beginning of a table's rows, and their separator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    pub delimiter: u8,
    at: usize,
    line: u64,
}

/// A separator that no text file contains, for tables with a single column.
const NO_DELIMITER: u8 = 0x1F;

/// Number of columns that are compared to detect a header.
const LOOKED_AT: usize = 200;

/// Longest column name in letters.
const LONGEST_NAME: usize = 80;

/// Usual names of text columns, in the languages of the page's samples and their neighbours.
const USUAL: [&str; 40] = [
    "text",
    "texts",
    "content",
    "body",
    "sentence",
    "sentences",
    "line",
    "lines",
    "quote",
    "quotes",
    "message",
    "messages",
    "comment",
    "comments",
    "review",
    "reviews",
    "tweet",
    "post",
    "title",
    "story",
    "poem",
    "lyrics",
    "document",
    "description",
    "prompt",
    "word",
    "name",
    "texto",
    "textos",
    "contenido",
    "frase",
    "frases",
    "mensaje",
    "comentario",
    "texte",
    "phrase",
    "contenu",
    "satz",
    "nachricht",
    "testo",
];

impl Begin {
    /// Detects the separator: Excel's first line `sep=;`, or the one that splits the first rows most consistently.
    pub fn of(text: &[u8]) -> Self {
        let (at, line, told) = declared(text);
        let begin = |delimiter| Self { delimiter, at, line };
        if let Some(delimiter) = told {
            return begin(delimiter);
        }
        let score = |delimiter: u8| {
            let first = first_rows(begin(delimiter).rows(), text);
            let columns = first.first().map_or(0, |row| row.columns);
            // A trailing separator makes no extra cell.
            let is_alike = |row: &&Row| row.columns == columns || (row.columns > columns && row.filled <= columns);
            let alike = first.iter().filter(is_alike).count();
            // If most rows have another number of cells, and the first one is no header, these are lines of text with
            // commas.
            let cuts = columns > 1 && (2 * alike >= first.len() || is_header(&first));
            cuts.then_some((1000 * alike / first.len().max(1), columns))
        };
        let candidates = [b',', b';', b'\t', b'|'].map(|delimiter| (score(delimiter), delimiter));
        match candidates.into_iter().rev().max_by_key(|(score, _)| *score) {
            Some((Some(_), delimiter)) => begin(delimiter),
            _ => begin(NO_DELIMITER),
        }
    }

    /// The rows from the first one on, a header included.
    pub fn rows(&self) -> Rows {
        Rows::from(self.delimiter, self.at, self.line)
    }

    /// The column names, and whether the first row holds them. Otherwise columns are named by their numbers, and so is
    /// a column without a name; a duplicate name gets its number appended, so that each can be chosen.
    pub fn columns(&self, text: &[u8]) -> (Vec<String>, bool) {
        let has_header = is_header(&first_rows(self.rows(), text));
        let mut names = Vec::new();
        self.rows().next(text, |column, cell| {
            names.truncate(column);
            let name = if has_header { String::from_utf8_lossy(cell).trim().to_owned() } else { String::new() };
            names.push(name);
        });
        let mut taken = BTreeSet::new();
        for (column, name) in names.iter_mut().enumerate() {
            if name.is_empty() {
                *name = (column + 1).to_string();
            }
            while !taken.insert(name.clone()) {
                *name = format!("{name}.{}", column + 1);
            }
        }
        (names, has_header)
    }
}

/// The beginning of the table, its line, and the separator declared for Excel by a line `sep=;`.
fn declared(text: &[u8]) -> (usize, u64, Option<u8>) {
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    let line = text[..end].trim_ascii_end();
    let bare = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let is_declared = bare.len() >= 4 && bare[..4].eq_ignore_ascii_case(b"sep=");
    match &bare[4.min(bare.len())..] {
        [separator] if is_declared && separator.is_ascii() => (end, 1, Some(*separator)),
        // A tab at the end of the line was trimmed.
        [] if is_declared && text[..end].ends_with(b"\t") => (end, 1, Some(b'\t')),
        _ => (0, 1, None),
    }
}

/// One of the first rows, for detection.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Row {
    /// The first cells, trimmed.
    cells: Vec<String>,
    columns: usize,
    /// The number of columns up to the last non-empty one.
    filled: usize,
}

fn first_rows(mut rows: Rows, text: &[u8]) -> Vec<Row> {
    let mut found = Vec::new();
    let mut row = Row::default();
    while found.len() <= SAMPLE
        && rows.next(text, |column, cell| {
            if column == 0 {
                row = Row::default();
            }
            row.columns = column + 1;
            if !cell.trim_ascii().is_empty() {
                row.filled = column + 1;
            }
            if column < LOOKED_AT {
                row.cells.push(String::from_utf8_lossy(cell).trim().to_owned());
            }
        })
    {
        found.push(std::mem::take(&mut row));
    }
    found
}

/// Whether the first of these rows is a header: it looks like names, and differs from the rows below.
fn is_header(rows: &[Row]) -> bool {
    let Some((first, below)) = rows.split_first() else { return false };
    if let [only] = first.cells.as_slice() {
        return is_usual(only);
    }
    let (whole, first) = (first, &first.cells);
    let cells_below =
        |column: usize| below.iter().filter_map(move |row| row.cells.get(column)).filter(|it| !it.is_empty());
    let is_name =
        |cell: &String| cell.chars().count() <= LONGEST_NAME && !is_sentence(cell) && Kind::of(cell) == Kind::Words;
    let mut named = first.iter().filter(|cell| !cell.is_empty());
    if first.iter().any(|cell| is_usual(cell)) {
        return true;
    }
    // Surveys use questions as column names. So a question is a name if the cells below look different.
    let mut differs = false;
    for (column, cell) in first.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
        let kinds = || cells_below(column).map(|cell| Kind::of(cell));
        let kind = Kind::of(cell);
        let alike = kinds().filter(|other| *other == kind).count();
        if kind != Kind::Words && alike > 0 {
            return false;
        }
        differs |= kind == Kind::Words && alike == 0 && kinds().next().is_some();
    }
    if differs {
        return true;
    }
    // A name does not occur among the values of its column. A whole row that is repeated is the header of another part.
    let repeated = |(column, cell): (usize, &String)| {
        !cell.is_empty() && below.iter().any(|row| row != whole && row.cells.get(column) == Some(cell))
    };
    named.all(is_name) && !first.iter().enumerate().any(repeated) && !is_like_below(first, below)
}

/// Whether the longest cell of the first row has about as many words as those below it, and more than a name has.
fn is_like_below(first: &[String], below: &[Row]) -> bool {
    let words = |cell: &str| cell.split_whitespace().count();
    (0..first.len()).any(|column| {
        let mut counts: Vec<usize> =
            below.iter().filter_map(|row| row.cells.get(column)).map(|cell| words(cell)).collect();
        counts.sort_unstable();
        let usual = counts.get(counts.len() / 2).copied().unwrap_or(0);
        words(&first[column]) >= 3 && usual >= 2 && 2 * words(&first[column]) >= usual
    })
}

/// Whether a name is a usual one for a text column.
pub fn is_usual(cell: &str) -> bool {
    USUAL.contains(&cell.to_lowercase().as_str())
}

/// Whether a cell is several words that end like a sentence.
fn is_sentence(cell: &str) -> bool {
    cell.ends_with(['.', '!', '…', '。', '！', '؟', '?']) && cell.split_whitespace().nth(1).is_some()
        || cell.ends_with(['。', '！'])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Numbers, dates, amounts: few or no letters.
    Figures,
    Address,
    Words,
}

impl Kind {
    fn of(cell: &str) -> Self {
        let digits = cell.chars().filter(char::is_ascii_digit).count();
        let letters = cell.chars().filter(|character| character.is_alphabetic()).count();
        let is_one_word = cell.starts_with(char::is_alphabetic) && !cell.contains(char::is_whitespace);
        match () {
            () if cell.contains("://")
                || (cell.contains('@') && !cell.contains(char::is_whitespace) && cell.contains('.')) =>
            {
                Self::Address
            }
            // "2026-01-05T08:01:00Z", "Jan 5, 2026", "12.50 EUR"; but "q2" is a name.
            () if digits > 0 && letters <= digits.min(5) && !is_one_word => Self::Figures,
            () => Self::Words,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str) -> Option<Vec<String>> {
        let (names, has_header) = Begin::of(text.as_bytes()).columns(text.as_bytes());
        has_header.then_some(names)
    }

    fn delimiter(text: &str) -> u8 {
        Begin::of(text.as_bytes()).delimiter
    }

    #[test]
    fn the_separator_splits_the_first_rows_consistently() {
        assert_eq!(delimiter("id,text\n1,a\n"), b',');
        assert_eq!(
            delimiter("id|author|text\n1|Nela|The net is dry, and whole; hang it.\n2|O|The buoy, the green one.\n"),
            b'|'
        );
        assert_eq!(delimiter("a;b\n1;It burns, still, and bright\n2;It creaks, at night, a little\n"), b';');
        assert_eq!(delimiter("\"date\";\"text\"\n\"04.05.\";\"calm, grey\";\n\"05.05.\";\"rain, then sun\";\n"), b';');
        assert_eq!(
            delimiter("The net is dry, and whole.\nThe buoy is gone.\nThe tide, the wind, the rain.\n"),
            NO_DELIMITER
        );
        for (told, right) in [("sep=;\na,x;b\n1;2\n", b';'), ("\"sep=|\"\na|b\n", b'|'), ("SEP=\t\na,b\tc,d\n", b'\t')]
        {
            assert_eq!(delimiter(told), right, "{told}");
        }
        assert_eq!(columns("sep=;\nid;texto\n1;uno\n").unwrap(), ["id", "texto"]);
    }

    #[test]
    fn a_first_row_that_looks_like_names_is_a_header() {
        for text in [
            "id,text\n1,a\n",
            "a,b\nx,y\n",
            "quote,url\nsome words of it,https://a.org/1\n",
            "sku (empty, if new);name (100 letters, at most);text (required)\n7;Lamp;It burns, still, and bright\n8;Gate;It creaks\n",
            "Timestamp,What did you like most?,Anything else?\n2026-01-05 08:01,The long walk by the sea.,No.\n",
            ",text,text\n1,a,longer text\n",
            "nombre,opinión\nNela,me gusta mucho el faro\nÓscar,no está mal\n",
            "author,year,quote\nNela,2020,The tide turns\nauthor,year,quote\nBo,2021,It is late\n",
            "text\none, two\nthree\n",
        ] {
            assert!(columns(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_first_row_like_the_rows_below_is_not_a_header() {
        for text in [
            "1,the gulls are early again\n2,somebody moved the bench\n",
            "2026-01-05,Nela,\"the gulls are early, again\"\n2026-01-06,Óscar,low tide at four\n",
            "Nela,the gulls are early again\nÓscar,somebody moved the bench\nIris,low tide at four\n",
            "Nela,good morning\nÓscar,good night\nNela,good bye\n",
            "It was a good day.,positive\nIt rained.,negative\nThe boat was late.,negative\n",
            "https://a.org/1,one\nhttps://a.org/2,two\n",
            "The gulls are early.\nSomebody moved the bench.\n",
            "one line\nanother line\n",
        ] {
            assert_eq!(columns(text), None, "{text}");
        }
        let (names, _) = Begin::of(b"1,a b c\n2,d e f\n").columns(b"1,a b c\n2,d e f\n");
        assert_eq!(names, ["1", "2"]);
    }
}
