//! Trains a tokenizer on a text.

use std::collections::HashSet;

use tokenizers::Trainer;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::utils::parallelism::set_parallelism;

use super::alphabet;
use super::file::{AddedToken, Cut, END_OF_TEXT, File, Model};
use super::normal_form::NormalForm;
use super::special::{Segment, Specials};
use super::split::{Pattern, words};
use crate::{
    config::settings::BPE_VOCABULARY,
    error::{Error, Result},
};

/// Largest number of bytes from which merges are learned. More text hardly changes the common words, and would take
/// memory.
const SAMPLE: usize = 20_000_000;

/// Size of the blocks in which text is read, in bytes.
const BLOCK: usize = 1 << 16;

/// Longest word in training, where the time per word grows with the square of its length; longer words are cut.
const LONGEST_WORD: usize = 256;

/// Least frequency of a pair that becomes a token.
const LEAST_FREQUENCY: u64 = 2;

/// Returns the size of a BPE vocabulary for a text of this many characters: a power of two with which each token occurs
/// about 150 times, and the embedding does not outgrow the small models that are trained here.
pub fn default_vocabulary(characters: usize) -> usize {
    let most = (characters / 450).clamp(BPE_VOCABULARY.default as usize, 8192);
    1 << most.ilog2()
}

/// Makes one token for each distinct character, in the order of code points.
pub fn characters(documents: &[&str], form: NormalForm) -> Result<File> {
    let mut seen = vec![false; char::MAX as usize + 1];
    each_text(documents, form, |text| text.chars().for_each(|character| seen[character as usize] = true));
    let characters = ('\0'..=char::MAX).filter(|&character| seen[character as usize]);
    let vocabulary: Vec<_> = characters.map(String::from).collect();
    if vocabulary.is_empty() {
        return Err(Error::NoText);
    }
    Ok(finish(Cut::Characters, vocabulary, Vec::new(), form))
}

/// Makes one token for each byte, with the byte as its id.
pub fn bytes(form: NormalForm) -> File {
    let vocabulary = (0..=255).map(|byte| alphabet::character(byte).to_string()).collect();
    finish(Cut::Bytes, vocabulary, Vec::new(), form)
}

/// Makes tokens of the bytes, and merges until there are `vocabulary` tokens or no pair repeats.
pub fn merges(vocabulary: usize, documents: &[&str], form: NormalForm) -> Result<File> {
    if BPE_VOCABULARY.check(vocabulary as f64).is_err() {
        let (min, max) = (BPE_VOCABULARY.min as usize, BPE_VOCABULARY.max as usize);
        return Err(Error::VocabularySize { asked: vocabulary, min, max });
    }
    let internal = |error: &dyn std::fmt::Display| Error::Internal { reason: format!("BPE training: {error}") };
    // One thread, as in the browser: the result must not depend on the machine.
    set_parallelism(false);
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .min_frequency(LEAST_FREQUENCY)
        .vocab_size(vocabulary - 1)
        .initial_alphabet((0..=255).map(alphabet::character).collect::<HashSet<_>>())
        .build();
    let blocks = sample(documents, SAMPLE);
    trainer.feed(blocks.into_iter(), |block| Ok(spelled_words(block, form))).map_err(|error| internal(&error))?;
    let mut model = BPE::default();
    trainer.train(&mut model).map_err(|error| internal(&error))?;
    let json = serde_json::to_vec(&model).map_err(|error| internal(&error))?;
    let model: Model = serde_json::from_slice(&json).map_err(|error| internal(&error))?;
    Ok(finish(Cut::Words(Pattern::Gpt2), model.vocab, model.merges, form))
}

/// Adds the end of text as the last token, after the characters, the bytes, or the merges in their order.
fn finish(cut: Cut, mut vocabulary: Vec<String>, merges: Vec<(String, String)>, form: NormalForm) -> File {
    let end_of_text = AddedToken::special(vocabulary.len() as u32, END_OF_TEXT);
    vocabulary.push(END_OF_TEXT.to_owned());
    File::new(cut, vec![end_of_text], vocabulary, merges).in_form(form)
}

/// Calls `visit` with the documents without their end-of-text tokens, in the tokenizer's normal form.
fn each_text(documents: &[&str], form: NormalForm, mut visit: impl FnMut(&str)) {
    let specials = Specials::of_one(AddedToken::special(0, END_OF_TEXT));
    for document in documents {
        specials.each(document, |segment| match segment {
            Segment::Text(text) => form.each(text, |text| visit(&text)),
            Segment::Special(..) => {}
        });
    }
}

/// The words of a block for the trainer, spelled in the byte alphabet.
fn spelled_words(block: &str, form: NormalForm) -> Vec<String> {
    let mut spelled = Vec::new();
    each_text(&[block], form, |text| {
        spelled.extend(words(text).flat_map(|word| word.as_bytes().chunks(LONGEST_WORD)).map(alphabet::spell));
    });
    spelled
}

/// Cuts the documents into blocks; from more than `limit` bytes, takes blocks of about that size in total, evenly
/// spread over all documents.
pub fn sample<'t>(documents: &[&'t str], limit: usize) -> Vec<&'t str> {
    let total: usize = documents.iter().map(|document| document.len()).sum();
    // The first `BLOCK` of every `period` bytes are taken.
    let period = ((BLOCK as u64 * total as u64).div_ceil(limit as u64) as usize).max(BLOCK);
    let mut blocks = Vec::new();
    // The offset of the document in all documents end to end.
    let mut offset = 0;
    for document in documents {
        let mut at = 0;
        while at < document.len() {
            let phase = (offset + at) % period;
            if phase < BLOCK {
                let end = block_end(document, at, at + BLOCK - phase);
                blocks.push(&document[at..end]);
                at = end;
            } else {
                at = block_end(document, at, at + period - phase);
            }
        }
        offset += document.len();
    }
    blocks
}

/// Where to cut: at `end`, or up to 64 bytes later before a space, so that no word is cut.
fn block_end(document: &str, start: usize, end: usize) -> usize {
    let Some(rest) = document.as_bytes().get(end.max(start + 1)..) else { return document.len() };
    let space = rest.iter().take(64).position(|&byte| byte == b' ' || byte == b'\n').unwrap_or(0);
    document.ceil_char_boundary(document.len() - rest.len() + space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_vocabulary_depends_on_the_length_of_the_text() {
        assert_eq!(default_vocabulary(0), 512);
        assert_eq!(default_vocabulary(20_000), 512);
        assert_eq!(default_vocabulary(1_115_394), 2048);
        assert_eq!(default_vocabulary(2_100_000), 4096);
        assert_eq!(default_vocabulary(usize::MAX), 8192);
    }

    #[test]
    fn a_small_text_is_not_sampled() {
        let long = "una palabra y otra, niño\n".repeat(10_000);
        let documents = ["", "a", &long, "ñandú"];
        assert_eq!(sample(&documents, SAMPLE).concat(), documents.concat());
    }

    #[test]
    fn a_large_text_is_sampled_evenly() {
        let (one, two) = ("año y vez ".repeat(200_000), "日本語".repeat(100_000));
        let documents = [one.as_str(), two.as_str()];
        let total = one.len() + two.len();
        let blocks = sample(&documents, 1_000_000);
        let taken: usize = blocks.iter().map(|block| block.len()).sum();
        assert!((900_000..=1_100_000).contains(&taken), "{taken}");
        let of_two: usize =
            blocks.iter().filter(|block| block.starts_with(['日', '本', '語'])).map(|it| it.len()).sum();
        let share = of_two as f64 / taken as f64 * total as f64 / two.len() as f64;
        assert!((0.8..1.2).contains(&share), "{share}");
    }

    #[test]
    fn samples_of_many_small_documents_have_the_wanted_size() {
        let documents = vec!["corto"; 100_000];
        let taken: usize = sample(&documents, 100_000).iter().map(|block| block.len()).sum();
        assert!((60_000..=140_000).contains(&taken), "{taken}");
    }
}
