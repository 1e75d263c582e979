//! Splits documents into training and validation data.

use serde::{Deserialize, Serialize};

use super::tally::{DocumentTally, mixed};

/// A constant: with another seed, losses on the same text could not be compared with earlier ones.
const SEED: u64 = 1337;

/// How validation data is held back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum HeldBack {
    /// Whole documents: no document is in both parts. Of a single document, its end.
    #[default]
    Documents,
    /// The last tenth of each document: for a few books, where a whole one would be much more or less than a tenth.
    Ends,
}

/// The two parts of a corpus, which do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split<'a> {
    /// Training data.
    pub train: Vec<&'a str>,
    /// Validation data.
    pub validation: Vec<&'a str>,
}

/// Splits documents; `tallies` correspond to them by index. Both parts keep their order.
pub fn split<'a>(
    documents: impl Iterator<Item = &'a str>,
    tallies: &[DocumentTally],
    held_back: HeldBack,
) -> Split<'a> {
    if tallies.len() == 1 || held_back == HeldBack::Ends {
        let parts = documents.map(|document| document.split_at(cut(document)));
        let (mut train, mut validation): (Vec<_>, Vec<_>) = parts.unzip();
        train.retain(|text| !text.is_empty());
        validation.retain(|text| !text.is_empty());
        return Split { train, validation };
    }
    let mut split = Split::default();
    let chosen = chosen(tallies);
    split.train.reserve_exact(chosen.iter().filter(|&&validates| !validates).count());
    for (document, validates) in documents.zip(chosen) {
        if validates { &mut split.validation } else { &mut split.train }.push(document);
    }
    split
}

/// Whether whole documents, being too few or too different in length, cannot be split near nine to one: validation data
/// would be less than a twentieth of all characters, or more than a fifth.
pub fn is_uneven(tallies: &[DocumentTally]) -> bool {
    let total: usize = tallies.iter().map(|tally| tally.characters).sum();
    let validating = tallies.iter().zip(chosen(tallies)).filter(|(_, validates)| *validates);
    let held: usize = validating.map(|(tally, _)| tally.characters).sum();
    tallies.len() > 1 && (held * 20 < total || held * 5 > total)
}

/// Chooses documents for validation until they hold a tenth of all characters: in an order given by a hash of their
/// text, so that a document's position in the file does not matter and adding a few moves only a few.
///
/// Documents with equal text stay together; in different parts they would make the validation loss too low. A long
/// document at the beginning of the order must not make the part much more than a tenth, so documents that would make
/// it more than a fifth are skipped; if a tenth is not reached then, the shortest of them are taken, up to a half.
///
/// There can be many millions of documents, so apart from the result only the order is stored for each.
fn chosen(tallies: &[DocumentTally]) -> Vec<bool> {
    let tally = |&index: &u32| tallies[index as usize];
    let characters = |members: &[u32]| members.iter().map(|index| tally(index).characters).sum::<usize>();
    let mut order: Vec<u32> = (0..tallies.len() as u32).collect();
    order.sort_unstable_by_key(|index| (mixed(tally(index).hash ^ SEED), *index));
    // If all are equal, there is nothing to keep apart.
    let same = order.windows(2).all(|pair| tally(&pair[0]).hash == tally(&pair[1]).hash);
    let groups = || order.chunk_by(|a, b| !same && tally(a).hash == tally(b).hash);

    let total = characters(&order);
    let (enough, mut held) = (total.div_ceil(10), 0);
    let mut chosen = vec![false; tallies.len()];
    let mut choose = |group: &[u32], most: usize| {
        let size = characters(group);
        if held < enough && held + size <= most && !chosen[group[0] as usize] {
            group.iter().for_each(|&index| chosen[index as usize] = true);
            held += size;
        }
        held >= enough
    };
    if !groups().any(|group| choose(group, total / 5)) {
        let mut by_size: Vec<&[u32]> = groups().collect();
        by_size.sort_by_cached_key(|group| characters(group));
        by_size.into_iter().any(|group| choose(group, total / 2));
    }
    chosen
}

/// Where the last tenth of a document's characters begins: at the start of a line if there is one nearby.
fn cut(document: &str) -> usize {
    let characters = document.chars().count();
    if characters < 2 {
        return document.len();
    }
    let tenth = characters.div_ceil(10);
    let exact = document.char_indices().rev().nth(tenth - 1).map_or(0, |(at, _)| at);
    // Within a twentieth of the part in either direction, so that it stays about a tenth.
    let near = (document.len() - exact) / 20;
    let bytes = document.as_bytes();
    let is_line_start = |at: &usize| bytes[at - 1] == b'\n';
    let before = (exact - near.min(exact - 1)..=exact).rev().find(is_line_start);
    let after = (exact..exact + near).find(is_line_start);
    match (before, after) {
        (Some(before), Some(after)) if after - exact < exact - before => after,
        (Some(before), _) => before,
        (None, Some(after)) => after,
        (None, None) => exact,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::corpus::{Corpus, Encoding, Source};

    fn corpus(documents: &[String]) -> Corpus {
        let mut corpus = Corpus::default();
        let mut source = Source {
            name: "a.jsonl".into(),
            documents: Vec::new(),
            text: String::new(),
            encoding: Encoding::Utf8,
            field: None,
            fields: Vec::new(),
            more_fields: 0,
            conversational: false,
            notices: Vec::new(),
            turns: 0,
            chat: None,
        };
        for document in documents {
            let start = source.text.len();
            source.text.push_str(document);
            source.documents.push(start..source.text.len());
        }
        corpus.add(source);
        corpus
    }

    fn characters(documents: &[&str]) -> usize {
        documents.iter().map(|document| document.chars().count()).sum()
    }

    /// Numbered documents, which all differ, with the given lengths.
    fn of_lengths(lengths: impl IntoIterator<Item = usize>) -> Vec<String> {
        lengths.into_iter().enumerate().map(|(index, length)| format!("{index:0>length$}")).collect()
    }

    #[test]
    fn a_tenth_of_the_characters_of_many_documents_is_held_back() {
        let documents = of_lengths((0..1000).map(|index| 4 + index * 7919 % 400));
        let corpus = corpus(&documents);
        let split = corpus.split();
        let share = characters(&split.validation) as f64 / characters(&corpus.documents().collect::<Vec<_>>()) as f64;
        assert!((0.1..0.102).contains(&share), "{share}");

        let both: BTreeSet<&str> = split.train.iter().chain(&split.validation).copied().collect();
        assert_eq!(both.len(), 1000, "complete and disjoint");
        assert_eq!(split.train.len() + split.validation.len(), 1000);
        let number = |document: &&str| document.parse::<u64>().unwrap();
        assert!(split.train.is_sorted_by_key(number) && split.validation.is_sorted_by_key(number), "in their order");
        assert_eq!(corpus.split(), split, "the same again");
    }

    #[test]
    fn the_position_in_the_file_does_not_change_the_split() {
        let documents = of_lengths((0..100).map(|index| 5 + index % 9));
        let reversed: Vec<String> = documents.iter().rev().cloned().collect();
        let (one, other) = (corpus(&documents), corpus(&reversed));
        let mut validation = other.split().validation;
        validation.reverse();
        assert_eq!(one.split().validation, validation);
    }

    #[test]
    fn a_long_document_does_not_make_validation_the_larger_part() {
        for lengths in
            [vec![1000, 50], vec![50, 1000], vec![400, 600], vec![500, 500], vec![330, 330, 340], vec![900, 50, 50]]
        {
            let corpus = corpus(&of_lengths(lengths.clone()));
            let split = corpus.split();
            assert!(!split.validation.is_empty(), "{lengths:?}");
            assert!(characters(&split.validation) <= characters(&split.train), "{lengths:?}");
            assert_eq!(split.train.len() + split.validation.len(), lengths.len());
        }
    }

    #[test]
    fn ends_of_documents_can_be_held_back_where_whole_ones_are_uneven() {
        for (lengths, uneven) in [
            (vec![900, 950], true),
            (vec![2000, 10], true),
            (vec![5000], false),
            (vec![900, 900, 200], false),
            (vec![100; 30], false),
        ] {
            let mut corpus = corpus(&of_lengths(lengths.clone()));
            assert_eq!(corpus.summary().uneven, uneven, "{lengths:?}");
            let documents: Vec<String> = corpus.documents().map(str::to_owned).collect();
            corpus.hold_back(HeldBack::Ends);
            let split = corpus.split();
            assert_eq!((split.train.len(), split.validation.len()), (lengths.len(), lengths.len()));
            for ((train, validation), document) in split.train.iter().zip(&split.validation).zip(documents) {
                assert_eq!([*train, *validation].concat(), document);
                assert_eq!(validation.len(), document.len().div_ceil(10));
            }
            let summary = corpus.summary();
            assert_eq!((summary.held_back, summary.uneven), (HeldBack::Ends, uneven), "{lengths:?}");
            assert_eq!(summary.validation_characters, lengths.iter().map(|length| length.div_ceil(10)).sum::<usize>());
        }
    }

    #[test]
    fn conversations_are_held_back_whole() {
        let mut corpus = corpus(&of_lengths([900, 950]));
        corpus.hold_back(HeldBack::Ends);
        let mut talk = Source { turns: 2, ..corpus.sources()[0].clone() };
        talk.name = "talk.jsonl".into();
        corpus.add(talk);
        let summary = corpus.summary();
        assert_eq!((summary.held_back, summary.uneven), (HeldBack::Documents, false));
        assert_eq!(summary.train_documents + summary.validation_documents, 4);
    }

    #[test]
    fn equal_documents_stay_together() {
        let documents: Vec<String> = (0..600).map(|index| format!("text {}", index % 60)).collect();
        let corpus = corpus(&documents);
        let split = corpus.split();
        assert_eq!(split.validation.len(), 60, "6 texts of 60, ten times each");
        assert!(split.validation.iter().all(|document| !split.train.contains(document)));
    }

    #[test]
    fn a_tenth_of_equal_documents_is_held_back() {
        let same = corpus(&vec!["same".to_owned(); 20]);
        assert_eq!(same.split().validation.len(), 2);
    }

    #[test]
    fn a_single_document_is_cut_at_a_line() {
        let text: String = (0..1000).map(|line| format!("line {line} of añil\n")).collect();
        let corpus = corpus(std::slice::from_ref(&text));
        let split = corpus.split();
        assert_eq!(split.train.concat() + split.validation[0], text);
        assert!(split.train[0].ends_with('\n') && split.validation[0].starts_with("line "));
        let share = characters(&split.validation) as f64 / text.chars().count() as f64;
        assert!((0.099..0.101).contains(&share), "{share}");
    }

    #[test]
    fn a_document_without_lines_is_cut_between_characters() {
        for length in 0..40 {
            let text = "añ漢🦜".chars().cycle().take(length).collect::<String>();
            let at = cut(&text);
            let expected = if length < 2 { 0 } else { length.div_ceil(10) };
            assert_eq!(text[at..].chars().count(), expected, "{length} characters");
        }
    }

    #[test]
    fn an_empty_corpus_and_single_characters_are_split() {
        assert_eq!(Corpus::default().split(), Split::default());
        assert_eq!(corpus(&["a".to_owned()]).split(), Split { train: vec!["a"], validation: vec![] });
        let two = corpus(&["a".to_owned(), "b".to_owned()]);
        assert_eq!((two.split().train.len(), two.split().validation.len()), (1, 1));
    }
}
