//! Compares the search with brute force, on texts decoded from token ids.

use std::rc::Rc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    words::{trimmed, whole_words},
    *,
};
use crate::{
    tokenizer::{Kind, Tokenizer},
    train::Dataset,
};

const KINDS: [Kind; 3] = [Kind::Char, Kind::Byte, Kind::Bpe];

fn learned(kind: Kind, documents: &[&str], sources: Vec<SourceEnd>) -> LearnedText {
    let tokenizer = Tokenizer::train(kind, (kind == Kind::Bpe).then_some(400), documents).unwrap();
    let data = Dataset { train: tokenizer.encode_documents(documents), ..Dataset::default() };
    LearnedText::new(Rc::new(data), Rc::new(tokenizer), sources)
}

fn copied(written: &str, learned: LearnedText) -> Copied {
    let mut search = CopiedSearch::new(written, learned);
    while search.read() {}
    let result = search.result();
    assert_eq!(search.share(), result.share);
    result
}

/// Whether each character of a text lies in a run that counts, by brute force.
fn tried(written: &str, documents: &[&str]) -> Vec<bool> {
    let mut is_copied = vec![false; written.len()];
    let places: Vec<usize> = written.char_indices().map(|(at, _)| at).chain([written.len()]).collect();
    let is_learned =
        |start: usize, end: usize| documents.iter().any(|document| document.contains(&written[start..end]));
    for &start in &places {
        // A longer run from the same position contains the shorter one.
        let Some(&end) = places.iter().rev().find(|&&end| end > start && is_learned(start, end)) else { continue };
        let is_longest = start == 0 || !is_learned(places[places.binary_search(&start).unwrap() - 1], end);
        let (start, end) = trimmed(written, start, end);
        let characters = written[start..end].chars().count();
        if is_longest && (whole_words(written, start, end) >= FEWEST_WORDS || characters >= FEWEST_CHARACTERS) {
            is_copied[start..end].fill(true);
        }
    }
    is_copied
}

fn check(kind: Kind, written: &str, documents: &[&str]) -> Copied {
    let result = copied(written, learned(kind, documents, Vec::new()));
    let whole: String = result.pieces.iter().map(|piece| &piece.text[..]).collect();
    assert_eq!(whole, written);
    let (expected, mut at) = (tried(written, documents), 0);
    for CopiedPiece { text, passage } in &result.pieces {
        for (place, character) in text.char_indices() {
            let is_copied = passage.is_some();
            // Spaces between two runs belong to neither.
            assert!(
                character.is_whitespace() || expected[at + place] == is_copied,
                "{kind:?} {written:?} at {} in {documents:?}",
                at + place
            );
        }
        at += text.len();
        if let Some(passage) = passage {
            assert_eq!(&passage.text, text);
            let around = [&passage.before[..], text, &passage.after].concat();
            let around = around.trim_start_matches('…').trim_end_matches('…');
            assert!(documents.iter().any(|document| document.contains(around)), "{around:?} in {documents:?}");
        }
    }
    result
}

const QUIJOTE: &str = "En un lugar de la Mancha, de cuyo nombre no quiero acordarme, no ha mucho tiempo que vivía un hidalgo \
    de los de lanza en astillero, adarga antigua, rocín flaco y galgo corredor.";
const PARROT: &str = "El loro verde cuenta cuentos a la niña que pregunta, y ella ríe; 昔々、ある所に、お爺さんとお婆さんが居ました。\
    お爺さんは山へ柴刈りに、お婆さんは川へ洗濯に行きました。";

#[test]
fn runs_of_eight_words_or_forty_characters_are_copied() {
    for kind in KINDS {
        let seven = "Mas en un lugar de la Mancha, de nadie";
        assert_eq!(check(kind, seven, &[QUIJOTE, PARROT]).share, 0.0, "{kind:?}");
        let eight = check(kind, "tal lugar de la Mancha, de cuyo nombre no sabe", &[QUIJOTE, PARROT]);
        let texts: Vec<_> = eight.pieces.iter().map(|piece| &piece.text[..]).collect();
        assert_eq!(texts, ["tal ", "lugar de la Mancha, de cuyo nombre no", " sabe"], "{kind:?}");
        assert!((eight.share - 30.0 / 37.0).abs() < 1e-9, "{}", eight.share);
        // 34 and 40 characters without spaces.
        let japanese = "お爺さんは山へ柴刈りに、お婆さんは川へ洗濯に行きました。";
        assert_eq!(check(kind, japanese, &[QUIJOTE, PARROT]).share, 0.0);
        let longer = "お爺さんとお婆さんが居ました。お爺さんは山へ柴刈りに、お婆さんは川へ洗濯に行きました。";
        assert_eq!(check(kind, longer, &[QUIJOTE, PARROT]).share, 1.0);
    }
}

#[test]
fn a_copied_run_has_its_context_and_position() {
    for kind in KINDS {
        let sources = [("loro.txt", 1), ("quijote.txt", 3)];
        let sources = sources.map(|(name, documents)| SourceEnd { name: name.into(), documents });
        let text = learned(kind, &[PARROT, "Otro texto.", QUIJOTE], sources.to_vec());
        let written = "de cuyo nombre no quiero acordarme, no ha mucho tiempo";
        let Copied { share, pieces, .. } = copied(written, text);
        let [CopiedPiece { passage: Some(passage), .. }] = &pieces[..] else { panic!("{pieces:?}") };
        assert_eq!(share, 1.0);
        assert_eq!(passage.source.as_deref(), Some("quijote.txt"));
        assert_eq!(passage.before, "En un lugar de la Mancha, ");
        assert_eq!(passage.text, written);
        assert!(passage.after.starts_with(" que vivía un hidalgo"), "{passage:?}");
        assert!(passage.after.ends_with("galgo corredor."), "{passage:?}");
        assert!(passage.at > 0.4 && passage.at < 1.0, "{passage:?}");
    }
}

#[test]
fn a_run_ends_with_its_document() {
    let (first, second) = ("uno dos tres cuatro cinco", "seis siete ocho nueve diez");
    for kind in KINDS {
        let written = [first, second].join(" ");
        assert_eq!(check(kind, &written, &[first, second]).share, 0.0);
        assert_eq!(check(kind, &written, &[&written, second]).share, 1.0);
        let run_together = [first, second].concat();
        assert_eq!(check(kind, &run_together, &[first, second]).share, 0.0);
    }
}

#[test]
fn random_texts_agree_with_brute_force() {
    let mut generator = Pcg64Mcg::seed_from_u64(7);
    let words = ["a", "ñu", "loro", " ", "ver", "de", "昔", "😀", ", ", "\n"];
    for round in 0..150 {
        let mut draw = |pieces: usize| -> String {
            (0..generator.random_range(1..pieces)).map(|_| words[generator.random_range(0..words.len())]).collect()
        };
        let documents = [draw(200), draw(200)];
        let mut written = draw(30);
        for document in &documents {
            let places: Vec<usize> = document.char_indices().map(|(at, _)| at).collect();
            written += &document[places[places.len() / 3]..places[places.len() * 9 / 10]];
            written += &draw(6);
        }
        check(KINDS[round % 3], &written, &[&documents[0], &documents[1]]);
    }
}

#[test]
fn repeated_texts_are_found() {
    for kind in KINDS {
        check(kind, &"ja ".repeat(60), &[&"ja ".repeat(20)]);
        check(kind, &"a".repeat(100), &[&"a".repeat(50)]);
        assert_eq!(check(kind, &"a".repeat(30), &[&"a".repeat(50)]).share, 0.0);
        assert_eq!(check(kind, "", &[QUIJOTE]), check(kind, "", &[PARROT]));
    }
}

#[test]
fn a_long_text_is_searched_for_in_parts() {
    let document: String = (0..6000).map(|number| format!("palabra {number} ")).collect();
    let result = copied(&document, learned(Kind::Char, &[&document], Vec::new()));
    assert!(result.share > 0.99, "{}", result.share);
    let copied = result.pieces.iter().filter(|piece| piece.passage.is_some()).count();
    assert_eq!(copied, document.len().div_ceil(16_000));
}

#[test]
fn the_nearest_passage_shares_rare_words() {
    let common: String =
        (0..300).map(|number| format!("El barco número {number} salió del puerto por la mañana.\n")).collect();
    let whale = "Una ballena azul cantaba bajo las estrellas mientras el capitán dormía en su camarote. ";
    let storm = "La tormenta rompió el mástil mayor y nadie supo volver a casa aquella noche de invierno. ";
    let documents = [&common[..], whale, &common, storm];
    for kind in KINDS {
        let sources = [("puerto.txt", 1), ("ballena.txt", 2), ("puerto.txt", 3), ("tormenta.txt", 4)];
        let sources = sources.map(|(name, documents)| SourceEnd { name: name.into(), documents }).to_vec();
        let nearest = |text: &str| {
            let mut search = NearestSearch::new(text, learned(kind, &documents, sources.clone()));
            while search.read() {}
            search.result()
        };
        let found = nearest("El barco salió por la mañana y una ballena cantaba bajo las estrellas del capitán.");
        assert_eq!(found[0].source.as_deref(), Some("ballena.txt"), "{kind:?} {found:?}");
        assert!(found[0].text.contains("cantaba bajo las estrellas"), "{found:?}");
        assert!(found.len() <= 3);
        for Passage { before, text, after, .. } in &found {
            let is_space = char::is_whitespace;
            assert!(before.is_empty() || before.ends_with(is_space) || text.starts_with(is_space), "{found:?}");
            assert!(after.is_empty() || after.starts_with(is_space) || text.ends_with(is_space), "{found:?}");
        }
        let found = nearest("El mástil mayor lo rompió el invierno, y nadie pudo volver.");
        assert_eq!(found[0].source.as_deref(), Some("tormenta.txt"), "{kind:?} {found:?}");
        assert_eq!(nearest("xyzzy qwfp"), []);
        assert_eq!(nearest(""), []);
    }
}
