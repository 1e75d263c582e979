//! Compares the tokenizers with Hugging Face's `tokenizers`: the crate on random texts, the Python package by fixtures.

use std::fs;
use std::path::PathBuf;

use lorito::tokenizer::{Kind, Tokenizer};
use serde_json::{Value, json};
use unicode_normalization_alignments::UnicodeNormalization;

const KINDS: [(Kind, &str); 3] = [(Kind::Char, "char"), (Kind::Byte, "byte"), (Kind::Bpe, "bpe")];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(fixture(name)).unwrap()
}

fn read_json(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

fn samples() -> Vec<String> {
    serde_json::from_value(read_json("samples.json")).unwrap()
}

fn trained(kind: Kind) -> Tokenizer {
    Tokenizer::train(kind, Some(500), &[&read("text.txt")]).unwrap()
}

/// The `tokenizers` crate with the file that we wrote.
fn oracle(tokenizer: &Tokenizer) -> tokenizers::Tokenizer {
    tokenizers::Tokenizer::from_bytes(tokenizer.to_json()).unwrap()
}

/// Random texts of pieces that are difficult in combination, the same in every run.
pub struct Texts(u64);

impl Texts {
    const PIECES: [&str; 49] = [
        " ",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "\u{a0}",
        "\u{3000}",
        "\u{2028}",
        "\u{85}",
        "a",
        "e",
        "the",
        "The",
        "parrot",
        "loro",
        "ñ",
        "á",
        "n\u{303}",
        "'",
        "'s",
        "'t",
        "'re",
        "'ve",
        "'ll",
        "’s",
        "s",
        "1",
        "23",
        "٣",
        "½",
        "Ⅷ",
        "²",
        ".",
        ",",
        "!?",
        "<",
        "<|endoftext|>",
        "<|endoftext",
        "|>",
        "港口",
        "的",
        "السفن",
        "مُ",
        "🦜",
        "👩‍🚀",
        "\u{200d}",
        "\u{0}",
    ];

    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, end: usize) -> usize {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }

    pub fn next(&mut self) -> String {
        let pieces = self.below(40);
        let mut text = String::new();
        for _ in 0..pieces {
            match self.below(8) {
                0 => text.extend(char::from_u32(self.below(0x11_0000) as u32)),
                1 => text.extend(char::from_u32(self.below(0x800) as u32)),
                2 => text.push_str(&Self::PIECES[self.below(Self::PIECES.len())].repeat(1 + self.below(70))),
                _ => text.push_str(Self::PIECES[self.below(Self::PIECES.len())]),
            }
        }
        text
    }
}

/// Requires that both encode a text to the same ids, and decode these to the same text.
fn assert_equal(ours: &Tokenizer, theirs: &tokenizers::Tokenizer, text: &str) {
    let ids = ours.encode(text);
    assert_eq!(ids, theirs.encode_fast(text, false).unwrap().get_ids(), "{text:?}");
    let decoded = ours.decode(&ids).unwrap();
    assert_eq!(decoded, theirs.decode(&ids, false).unwrap(), "{text:?}");
    if ours.unknown_characters(text).is_empty() {
        assert_eq!(nfc(&decoded), nfc(text));
    }
}

fn nfc(text: &str) -> String {
    text.nfc().map(|(character, _)| character).collect()
}

#[test]
fn samples_encode_and_decode_as_in_python() {
    let expected = read_json("expected.json");
    for (_, name) in KINDS {
        let tokenizer = Tokenizer::from_json(read(&format!("{name}.json")).as_bytes()).unwrap();
        let cases = expected[name].as_array().unwrap();
        assert_eq!(cases.len(), samples().len());
        for (sample, case) in samples().iter().zip(cases) {
            let ids = tokenizer.encode(sample);
            assert_eq!(json!(ids), case["ids"], "{name}: {sample:?}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), case["text"], "{name}: {sample:?}");
        }
    }
}

#[test]
fn training_a_tokenizer_is_deterministic() {
    for (kind, name) in KINDS {
        let committed = read(&format!("{name}.json"));
        for _ in 0..3 {
            assert!(trained(kind).to_json() == committed, "{name}.json is out of date: run the test `write`, make.py");
        }
        let opened = Tokenizer::from_json(committed.as_bytes()).unwrap();
        assert_eq!(opened.to_json(), committed);
        assert_eq!(opened.kind(), kind);
    }
}

#[test]
#[ignore = "writes the fixtures"]
fn write() {
    for (kind, name) in KINDS {
        fs::write(fixture(&format!("{name}.json")), trained(kind).to_json()).unwrap();
    }
}

#[test]
fn random_texts_encode_and_decode_as_in_tokenizers() {
    for (kind, _) in KINDS {
        let ours = trained(kind);
        let theirs = oracle(&ours);
        let mut texts = Texts(1);
        for _ in 0..1000 {
            assert_equal(&ours, &theirs, &texts.next());
        }
        assert_equal(&ours, &theirs, &read("text.txt"));
    }
}

#[test]
fn characters_of_all_planes_encode_as_in_tokenizers() {
    let ours = trained(Kind::Bpe);
    let theirs = oracle(&ours);
    let all: Vec<char> = ('\0'..=char::MAX).step_by(13).collect();
    for some in all.chunks(0x1000) {
        let text: String = some.iter().flat_map(|&character| ['a', character, '1', character, ' ']).collect();
        assert_equal(&ours, &theirs, &text);
    }
}

#[test]
fn a_file_in_the_form_of_gpt2s_encodes_as_in_tokenizers() {
    let mut file = read_json("bpe.json");
    let model = file["model"].as_object_mut().unwrap();
    model.remove("type");
    model.remove("byte_fallback");
    model.remove("ignore_merges");
    model["continuing_subword_prefix"] = json!("");
    model["end_of_word_suffix"] = json!("");
    for merge in model["merges"].as_array_mut().unwrap() {
        *merge = json!(format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()));
    }
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true});
    file["pre_tokenizer"] = byte_level.clone();
    file["post_processor"] = byte_level.clone();
    file["decoder"] = byte_level;
    file["added_tokens"][0]["normalized"] = json!(true);
    let plain = json!({
        "id": 500, "content": "<pad>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true,
    });
    let mut accented = plain.clone();
    accented["id"] = json!(501);
    accented["content"] = json!("text|>");
    file["added_tokens"].as_array_mut().unwrap().extend([plain, accented]);
    let json = file.to_string();

    let ours = Tokenizer::from_json(json.as_bytes()).unwrap();
    assert_eq!((ours.vocabulary(), ours.kind(), ours.end_of_text()), (502, Kind::Bpe, Some(499)));
    let again = Tokenizer::from_json(ours.to_json().as_bytes()).unwrap();
    let theirs = tokenizers::Tokenizer::from_bytes(json).unwrap();
    let mut texts = Texts(2);
    for _ in 0..500 {
        let text = texts.next() + "<pad>" + &texts.next();
        assert_equal(&ours, &theirs, &text);
        assert_eq!(ours.encode(&text), again.encode(&text));
    }
}

#[test]
fn documents_are_encoded_with_an_end_of_text_after_each() {
    let text = read("text.txt");
    let long = text.repeat(100);
    for (kind, _) in KINDS {
        let tokenizer = trained(kind);
        for documents in [vec![], vec![""], vec!["loro", "", "a<|endoftext|>b", &text, &long]] {
            let mut expected = Vec::new();
            for document in &documents {
                expected.extend(tokenizer.encode(document));
                expected.extend(tokenizer.end_of_text());
            }
            assert!(tokenizer.encode_documents(&documents).iter().eq(expected));
        }
    }
}

#[test]
fn streamed_ids_decode_to_the_same_text_as_all_at_once() {
    let texts = ["á é ñ ü ¿", "👩‍🚀 🏴‍☠️ ❤️‍🔥 🇪🇸 👍🏽", "ببغاء أخضر مُحَمَّد", "绿色的鹦鹉", "a<|endoftext|>ñ"];
    for (kind, _) in KINDS {
        let tokenizer = trained(kind);
        let mut random = Texts(3);
        let texts = texts.iter().map(|text| (*text).to_owned()).chain((0..300).map(|_| random.next()));
        for text in texts.collect::<Vec<_>>() {
            // A text cut anywhere, as generation can stop anywhere; and random ids, as an untrained model generates
            // them.
            let mut ids = tokenizer.encode(&text);
            ids.truncate(random.below(ids.len() + 1));
            let wild = (0..ids.len()).map(|_| random.below(tokenizer.vocabulary()) as u32).collect();
            for ids in [ids, wild] {
                let whole = tokenizer.decode(&ids).unwrap();
                let mut decoder = tokenizer.decoder();
                let mut streamed = String::new();
                for &id in &ids {
                    streamed += &decoder.push(id).unwrap();
                    assert!(whole.starts_with(&streamed));
                }
                streamed += &decoder.finish();
                assert_eq!(streamed, whole);
            }
        }
    }
}

#[test]
fn pieces_concatenate_to_the_text_and_its_ids() {
    for (kind, _) in KINDS {
        let tokenizer = trained(kind);
        let mut texts = Texts(4);
        for _ in 0..300 {
            let text = texts.next();
            let pieces = tokenizer.pieces(&text);
            assert_eq!(pieces.iter().flat_map(|piece| piece.ids.clone()).collect::<Vec<_>>(), tokenizer.encode(&text));
            assert_eq!(nfc(&pieces.iter().map(|piece| piece.text.as_str()).collect::<String>()), nfc(&text));
            let mut end = 0;
            for piece in pieces {
                assert_eq!((piece.start, piece.end), (end, end + piece.text.chars().count()));
                end = piece.end;
            }
        }
    }
    let pieces = |kind, text| {
        let pieces = trained(kind).pieces(text);
        pieces.into_iter().map(|piece| (piece.text, piece.ids.len())).collect::<Vec<_>>()
    };
    assert_eq!(pieces(Kind::Char, "añ¥"), [("a".into(), 1), ("ñ".into(), 1), ("¥".into(), 0)]);
    assert_eq!(pieces(Kind::Byte, "añ🦜"), [("a".into(), 1), ("ñ".into(), 2), ("🦜".into(), 4)]);
    assert_eq!(pieces(Kind::Bpe, "y el loro"), [("y".into(), 1), (" el".into(), 1), (" loro".into(), 1)]);
}

#[test]
fn characters_are_sorted_and_unknown_ones_are_reported() {
    let tokenizer = Tokenizer::train(Kind::Char, None, &["ñandú", "a<|endoftext|>b"]).unwrap();
    assert_eq!(tokenizer.vocabulary(), 7);
    assert_eq!((0..7).map(|id| tokenizer.token_text(id)).collect::<String>(), "abdnñú<|endoftext|>");
    assert_eq!(tokenizer.end_of_text(), Some(6));
    assert_eq!(tokenizer.encode("bañado"), [1, 0, 4, 0, 2]);
    assert_eq!(tokenizer.unknown_characters("¿o<|endoftext|>o?"), ['?', 'o', '¿']);
    assert!(trained(Kind::Bpe).unknown_characters("¥").is_empty());
}

#[test]
fn composed_and_decomposed_letters_have_the_same_ids() {
    let apart = "El nin\u{303}o paso\u{301} la cigu\u{308}en\u{303}a. ".repeat(30);
    let one = "El niño pasó la cigüeña. ".repeat(30);
    for (kind, _) in KINDS {
        let tokenizer = Tokenizer::train(kind, Some(300), &[&apart]).unwrap();
        assert_eq!(tokenizer.to_json(), Tokenizer::train(kind, Some(300), &[&one]).unwrap().to_json());
        assert_eq!(tokenizer.encode(&apart), tokenizer.encode(&one), "{kind:?}");
        assert_eq!(tokenizer.encode_documents(&[&apart]), tokenizer.encode_documents(&[&one]));
        assert_eq!(tokenizer.decode(&tokenizer.encode(&apart)).unwrap(), one);
        assert!(tokenizer.unknown_characters("cigu\u{308}en\u{303}a").is_empty());
        let file: Value = serde_json::from_str(&tokenizer.to_json()).unwrap();
        assert_eq!(file["normalizer"], json!({"type": "NFC"}));
        let theirs = oracle(&tokenizer);
        for text in [&apart, &one, "a\u{308}\u{323} <|endoftext|>\u{338} \u{1100}\u{1161}\u{11a8} \u{958}"] {
            assert_equal(&tokenizer, &theirs, text);
        }
        let again = Tokenizer::from_json(tokenizer.to_json().as_bytes()).unwrap();
        assert_eq!(again.with_special_tokens(&["<|end|>"]).unwrap().encode(&apart), tokenizer.encode(&one));
    }
}

#[test]
fn a_tokenizer_without_a_normalizer_does_not_compose_letters() {
    for (kind, _) in KINDS {
        let mut file: Value = serde_json::from_str(&trained(kind).to_json()).unwrap();
        file["normalizer"] = Value::Null;
        let ours = Tokenizer::from_json(file.to_string().as_bytes()).unwrap();
        let theirs = tokenizers::Tokenizer::from_bytes(file.to_string()).unwrap();
        assert_ne!(ours.encode("an\u{303}o"), ours.encode("año"), "{kind:?}");
        assert_equal(&ours, &theirs, "an\u{303}o, año");
        assert_eq!(serde_json::from_str::<Value>(&ours.to_json()).unwrap()["normalizer"], Value::Null);
    }
}

#[test]
fn an_added_token_is_found_in_either_unicode_form() {
    let mut file: Value = serde_json::from_str(&trained(Kind::Byte).to_json()).unwrap();
    let token = |id: u32, content: &str, normalized: bool| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": normalized, "special": false})
    };
    let tokens = file["added_tokens"].as_array_mut().unwrap();
    tokens.extend([token(257, "an\u{303}o", true), token(258, "nin\u{303}a", false)]);
    let ours = Tokenizer::from_json(file.to_string().as_bytes()).unwrap();
    let theirs = tokenizers::Tokenizer::from_bytes(file.to_string()).unwrap();
    for text in ["un año, un an\u{303}o", "una niña, una nin\u{303}a"] {
        assert_eq!(ours.encode(text), theirs.encode_fast(text, false).unwrap().get_ids(), "{text}");
    }
}

#[test]
fn bytes_are_their_own_ids() {
    let tokenizer = Tokenizer::train(Kind::Byte, None, &["x"]).unwrap();
    assert_eq!(tokenizer.encode("ñ\n<|endoftext|>"), [0xC3, 0xB1, 0x0A, 256]);
    assert_eq!(tokenizer.token_text(0xC3), "<0xC3>");
    assert_eq!(tokenizer.decode(&[0xC3]).unwrap(), "\u{fffd}");
    assert!(tokenizer.decode(&[257]).is_err());
}

#[test]
fn no_merge_is_learned_from_a_text_of_end_of_text_tokens() {
    let text = "<|endoftext|>the end<|endoftext|>".repeat(500);
    let tokenizer = Tokenizer::train(Kind::Bpe, Some(400), &[&text]).unwrap();
    let end = tokenizer.end_of_text().unwrap();
    assert_eq!(tokenizer.token_text(end), "<|endoftext|>");
    let learned = (256..end).map(|id| tokenizer.token_text(id));
    assert!(learned.into_iter().all(|token| !token.contains(['<', '|', '>'])));
    assert!(tokenizer.vocabulary() < 400, "pairs that do not repeat are not merged");
}

#[test]
fn a_single_word_of_any_length_is_trained_on_and_encoded() {
    let text = "ab".repeat(200_000);
    let ours = Tokenizer::train(Kind::Bpe, Some(300), &[&text]).unwrap();
    assert_equal(&ours, &oracle(&ours), &text);
}

#[test]
fn evicting_cached_words_and_splitting_long_ones_keeps_the_ids() {
    let ours = trained(Kind::Bpe);
    let more_than_are_remembered: String = (0..80_000).map(|number| format!(" {number}")).collect();
    assert_equal(&ours, &oracle(&ours), &more_than_are_remembered);
    let longer_than_a_word = "~".repeat((4 << 20) + 1);
    assert_eq!(ours.decode(&ours.encode(&longer_than_a_word)).unwrap(), longer_than_a_word);
}

#[test]
fn impossible_vocabulary_sizes_and_empty_texts_are_refused() {
    let code = |kind, vocabulary, documents: &[&str]| Tokenizer::train(kind, vocabulary, documents).unwrap_err().code();
    assert_eq!(code(Kind::Bpe, Some(299), &["a"]), "vocabulary-size");
    assert_eq!(code(Kind::Bpe, Some(32_769), &["a"]), "vocabulary-size");
    for (kind, _) in KINDS {
        assert_eq!(code(kind, None, &["", ""]), "no-text");
        assert_eq!(code(kind, None, &[]), "no-text");
    }
    assert_eq!(code(Kind::Char, None, &["<|endoftext|>"]), "no-text");
}
