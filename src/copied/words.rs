//! Finds word boundaries, in scripts with and without spaces between words.

/// Most characters that are cut from an end of a run so that it begins or ends with a whole word. A longer word, such
/// as a strand of DNA, is not cut.
const LONGEST_CUT: usize = 24;

/// Whether a boundary between these two characters would cut a word.
fn is_inside_word(before: char, after: char) -> bool {
    let is_part = |character: char| character.is_alphanumeric() && !is_word_of_its_own(character);
    is_part(before) && is_part(after)
}

/// Whether a character's script has no spaces between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Han.
fn is_word_of_its_own(character: char) -> bool {
    matches!(character,
        '\u{0E00}'..='\u{0FFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3005}'..='\u{30FF}'
        | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FF9F}' | '\u{20000}'..='\u{3FFFF}')
}

/// Counts the whole words in `text[start..end]`, without those of scripts without spaces.
pub fn whole_words(text: &str, start: usize, end: usize) -> usize {
    let mut words = 0;
    // The previous character, and whether its word began in the range.
    let mut before = text[..start].chars().next_back();
    let mut is_whole = false;
    for character in text[start..end].chars() {
        let goes_on = before.is_some_and(|before| is_inside_word(before, character));
        if !goes_on {
            words += usize::from(is_whole);
            is_whole = character.is_alphanumeric() && !is_word_of_its_own(character);
        }
        before = Some(character);
    }
    let is_cut = before.zip(text[end..].chars().next()).is_some_and(|(before, after)| is_inside_word(before, after));
    words + usize::from(is_whole && !is_cut)
}

/// Shrinks a range to whole words, without spaces at its ends.
pub fn trimmed(text: &str, start: usize, end: usize) -> (usize, usize) {
    let start = start + cut_at_start(text, start, end);
    let end = end - cut_at_end(text, start, end);
    let run = &text[start..end];
    let blank = run.len() - run.trim_start().len();
    (start + blank, start + blank.max(run.trim_end().len()))
}

/// Bytes of the word that the start of a range cuts.
fn cut_at_start(text: &str, start: usize, end: usize) -> usize {
    let Some(mut before) = text[..start].chars().next_back() else { return 0 };
    let mut cut = 0;
    for character in text[start..end].chars().take(LONGEST_CUT) {
        if !is_inside_word(before, character) {
            return cut;
        }
        cut += character.len_utf8();
        before = character;
    }
    if start + cut == end { cut } else { 0 }
}

/// Bytes of the word that the end of a range cuts.
fn cut_at_end(text: &str, start: usize, end: usize) -> usize {
    let Some(mut after) = text[end..].chars().next() else { return 0 };
    let mut cut = 0;
    for character in text[start..end].chars().rev().take(LONGEST_CUT) {
        if !is_inside_word(character, after) {
            return cut;
        }
        cut += character.len_utf8();
        after = character;
    }
    if start + cut == end { cut } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed_text(before: &str, run: &str, after: &str) -> String {
        let text = [before, run, after].concat();
        let (start, end) = trimmed(&text, before.len(), before.len() + run.len());
        text[start..end].to_owned()
    }

    #[test]
    fn words_that_a_range_cuts_are_not_counted() {
        let text = "El niño, ¿no ves?, duerme.";
        assert_eq!(whole_words(text, 0, text.len()), 5);
        assert_eq!(whole_words(text, 1, text.len()), 4);
        assert_eq!(whole_words(text, 0, text.len() - 2), 4);
        assert_eq!(whole_words(text, 4, 5), 0);
        assert_eq!(whole_words("", 0, 0), 0);
        assert_eq!(whole_words("昔々、ある所に", 0, 21), 0);
    }

    #[test]
    fn a_range_loses_the_words_that_it_cuts_and_the_spaces_around_it() {
        assert_eq!(trimmed_text("lug", "ar de la Man", "cha"), "de la");
        assert_eq!(trimmed_text("lugar ", "de la", " Mancha"), "de la");
        assert_eq!(trimmed_text("", "de la\n", ""), "de la");
        assert_eq!(trimmed_text("lu", "ga", "r"), "");
        assert_eq!(trimmed_text("x", "  ", "y"), "");
    }

    #[test]
    fn scripts_without_spaces_and_very_long_words_are_left_as_they_are() {
        assert_eq!(trimmed_text("昔", "々ある所", "に"), "々ある所");
        let dna = "ACGT".repeat(20);
        assert_eq!(trimmed_text("AC", &dna, "GG"), dna);
    }
}
