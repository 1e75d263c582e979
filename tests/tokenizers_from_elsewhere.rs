//! Tokenizers of other models: they encode like `tokenizers`, use the special tokens of their folders, and are exported
//! unchanged. `tests/fixtures/tokenizer/make_folders.py` makes the folders.

use std::{fs, path::PathBuf};

use cpu_time::ThreadTime;
use lorito::{
    config::{ModelConfig, Variant},
    error::Error,
    formats::{GgufPrecision, ModelFile, hugging_face, llama_cpp, read, write},
    model::Layout,
    tokenizer::{Kind, Opened, Tokenizer},
};
use serde_json::{Value, json};

use crate::{formats::sample, hugging_face::unzip, tokenizer::Texts};

type Files = std::collections::HashMap<String, Vec<u8>>;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizer")
}

fn folder(name: &str) -> Files {
    let entries = fs::read_dir(fixtures().join("folders").join(name)).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

fn expected() -> Value {
    serde_json::from_slice(&fs::read(fixtures().join("folders/expected.json")).unwrap()).unwrap()
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn rows(files: &Files) -> usize {
    parsed(&files["config.json"])["vocab_size"].as_u64().unwrap() as usize
}

fn open(files: &Files) -> Result<Opened, Error> {
    Tokenizer::from_folder(|name| files.get(name).map(Vec::as_slice), rows(files))
}

/// The texts of special tokens by their names in transformers.
fn names(tokenizer: &Tokenizer) -> Value {
    let text = |name: &str| tokenizer.roles().named.get(name).map(|&id| tokenizer.token_text(id));
    let names = ["bos_token", "eos_token", "unk_token", "pad_token"];
    names.into_iter().map(|name| (name.to_owned(), json!(text(name)))).collect::<serde_json::Map<_, _>>().into()
}

/// As a list, since it may be a single number.
fn ends(value: &Value) -> Value {
    if value.is_number() { json!([value]) } else { value.clone() }
}

#[test]
fn folders_open_as_in_transformers() {
    let expected = expected();
    for name in ["pair", "sentences", "turns"] {
        let Opened { tokenizer, left_out, .. } = open(&folder(name)).unwrap();
        assert!(left_out.is_empty());
        let right = &expected[name];
        for (text, ids) in expected["texts"].as_array().unwrap().iter().zip(right["ids"].as_array().unwrap()) {
            assert_eq!(json!(tokenizer.encode(text.as_str().unwrap())), *ids, "{name}: {text}");
        }
        assert_eq!(names(&tokenizer), right["names"], "{name}");
        assert_eq!(json!(tokenizer.roles().ends), ends(&right["ends"]), "{name}");
    }
}

#[test]
fn a_token_without_a_row_is_left_out_and_its_text_is_encoded_by_other_tokens() {
    let Opened { tokenizer, left_out, .. } = open(&folder("unresized")).unwrap();
    assert_eq!(left_out, ["[PAD]"]);
    let (expected, plain) = (expected(), open(&folder("turns")).unwrap().tokenizer);
    for (text, ids) in
        expected["texts"].as_array().unwrap().iter().zip(expected["unresized"]["ids"].as_array().unwrap())
    {
        let (text, ids) = (text.as_str().unwrap(), json!(ids));
        let ours = tokenizer.encode(text);
        if text.contains("[PAD]") {
            assert_eq!(ours, plain.encode(text));
        } else {
            assert_eq!(json!(ours), ids, "{text}");
        }
    }
    assert_eq!(names(&tokenizer)["pad_token"], Value::Null);
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let mut files = folder("turns");
    files.insert("config.json".into(), br#"{"vocab_size": 270}"#.to_vec());
    assert_eq!(open(&files).unwrap_err(), Error::VocabularyMismatch { model: 270, tokenizer: 282 });
}

#[test]
fn end_tokens_are_those_of_the_first_file_that_names_them() {
    let change = |changes: &[(&str, Value)]| {
        let mut files = folder("sentences");
        files.retain(|name, _| ["tokenizer.json", "config.json"].contains(&&name[..]));
        files.insert("config.json".into(), br#"{"vocab_size": 280}"#.to_vec());
        for (name, value) in changes {
            files.insert((*name).into(), value.to_string().into_bytes());
        }
        let tokenizer = open(&files).unwrap().tokenizer;
        (tokenizer.roles().ends.clone(), tokenizer.start())
    };
    // By its text, if no file names it.
    assert_eq!(change(&[]), (vec![2], 2));
    let config = |ids: Value| {
        let mut config = json!({"vocab_size": 280});
        config.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        ("config.json", config)
    };
    assert_eq!(change(&[config(json!({"eos_token_id": 0, "bos_token_id": 1}))]), (vec![0], 1));
    // An id outside the vocabulary, or GPT-2's default, which is a word here.
    assert_eq!(change(&[config(json!({"eos_token_id": 50_256, "bos_token_id": 50_256}))]), (vec![2], 2));
    assert_eq!(change(&[config(json!({"eos_token_id": 279, "bos_token_id": 279}))]), (vec![2], 2));
    let both =
        [("generation_config.json", json!({"eos_token_id": [3, 279, 3, 9999]})), config(json!({"eos_token_id": 2}))];
    assert_eq!(change(&both).0, [3, 279, 2]);
    let named = [("tokenizer_config.json", json!({"eos_token": {"content": "<unk>", "lstrip": false}}))];
    assert_eq!(change(&named).0, [3]);
    let mapped = [("special_tokens_map.json", json!({"eos_token": "<pad>", "bos_token": "<s>"}))];
    assert_eq!(change(&mapped), (vec![1], 0));
    let odd = [
        ("generation_config.json", json!({"eos_token_id": ["2", -1, null, 1e9]})),
        ("tokenizer_config.json", json!([])),
    ];
    assert_eq!(change(&odd).0, [2]);
}

#[test]
fn a_vocabulary_without_special_tokens_uses_the_end_token_of_its_config() {
    let mut files = folder("pair");
    files.retain(|name, _| ["vocab.json", "merges.txt"].contains(&&name[..]));
    let mut vocabulary: Value = parsed(&files["vocab.json"]);
    vocabulary.as_object_mut().unwrap().retain(|token, _| token != "<|endoftext|>");
    for id in vocabulary.as_object_mut().unwrap().values_mut() {
        *id = json!(id.as_u64().unwrap() - 1);
    }
    let bang = vocabulary["!"].as_u64().unwrap() as u32;
    files.insert("vocab.json".into(), vocabulary.to_string().into_bytes());
    files.insert("config.json".into(), br#"{"vocab_size": 279}"#.to_vec());
    let Opened { tokenizer, .. } = open(&files).unwrap();
    assert_eq!((tokenizer.end_of_text(), &tokenizer.roles().ends[..]), (None, &[][..]));
    let documents = tokenizer.encode_documents(&["de noche", "!"]);
    assert_eq!(tokenizer.decode(&documents.iter().collect::<Vec<_>>()).unwrap(), "de noche!");
    // A word as the end token is used as such, as in transformers, and is still encoded as a word.
    files.insert("config.json".into(), format!(r#"{{"vocab_size": 279, "eos_token_id": {bang}}}"#).into_bytes());
    let ended = open(&files).unwrap().tokenizer;
    assert_eq!(ended.roles().ends, [bang]);
    assert_eq!(ended.encode("¡No! !!"), tokenizer.encode("¡No! !!"));
    assert_eq!(ended.special_token("!"), None);
}

/// As `PreTrainedTokenizerBase` of transformers reads them.
#[test]
fn of_chat_templates_with_names_the_default_one_is_used() {
    let opened = |template: Value, file: Option<&str>| {
        let mut files = folder("pair");
        let mut settings = parsed(&files["tokenizer_config.json"]);
        settings["chat_template"] = template;
        files.insert("tokenizer_config.json".into(), settings.to_string().into_bytes());
        files.extend(file.map(|text| ("chat_template.jinja".to_owned(), text.as_bytes().to_vec())));
        let Opened { tokenizer, templates_left_out, .. } = open(&files).unwrap();
        (tokenizer.roles().chat_template.clone(), templates_left_out)
    };
    let list = json!([
        { "name": "rag", "template": "r" }, { "name": "default", "template": "d" }, { "name": "tool_use", "template": "t" },
    ]);
    assert_eq!(opened(list.clone(), None), (Some("d".into()), vec!["rag".into(), "tool_use".into()]));
    // A file of its own is in place of all of them.
    assert_eq!(opened(list, Some("f")), (Some("f".into()), vec![]));
    assert_eq!(opened(json!([{ "name": "rag", "template": "r" }]), None), (None, vec!["rag".into()]));
    assert_eq!(opened(json!("d"), None), (Some("d".into()), vec![]));
    for damaged in [json!({ "rag": "r" }), json!([[], "d", { "name": "default", "template": ["d"] }]), json!(7)] {
        assert_eq!(opened(damaged, None), (None, vec![]));
    }
}

#[test]
fn properties_of_added_tokens_are_read_from_any_file_that_has_them() {
    let mask = json!({
        "content": "<mask>", "lstrip": true, "rstrip": false, "normalized": false, "single_word": false, "special": true,
    });
    let settings = json!({"mask_token": "<mask>", "added_tokens_decoder": {"282": mask}});
    for changes in [
        vec![("tokenizer_config.json", settings)],
        vec![
            ("added_tokens.json", json!({"<|startoftext|>": 280, "<|pad|>": 281, "<mask>": 282})),
            ("special_tokens_map.json", json!({"mask_token": mask})),
        ],
    ] {
        let mut files = folder("pair");
        files.insert("config.json".into(), br#"{"vocab_size": 283}"#.to_vec());
        for (name, value) in changes {
            files.insert(name.into(), value.to_string().into_bytes());
        }
        let tokenizer = open(&files).unwrap().tokenizer;
        assert_eq!(tokenizer.encode("the <mask>"), [tokenizer.encode("the"), vec![282]].concat());
        assert_eq!(tokenizer.roles().named["mask_token"], 282);
    }
}

#[test]
fn unreadable_files_beside_a_tokenizer_are_named_in_the_error() {
    for name in ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json"] {
        let mut files = folder("pair");
        files.insert(name.into(), b"{\"eos_token".to_vec());
        let Error::TokenizerInvalid { reason } = open(&files).unwrap_err() else { panic!("{name} is read") };
        assert!(reason.contains(name), "{reason}");
    }
    for (missing, left) in [("vocab.json", "merges.txt"), ("merges.txt", "vocab.json")] {
        let mut files = folder("pair");
        files.remove(missing);
        assert!(files.contains_key(left));
        assert_eq!(open(&files).unwrap_err(), Error::FileMissing { name: missing.into() });
    }
}

#[test]
fn byte_order_marks_are_ignored() {
    let right = open(&folder("pair")).unwrap().tokenizer.to_json();
    let mut files = folder("pair");
    for (name, bytes) in &mut files {
        if name != "config.json" {
            bytes.splice(0..0, "\u{feff}".bytes());
        }
    }
    assert_eq!(open(&files).unwrap().tokenizer.to_json(), right);
    let mut files = folder("turns");
    files.get_mut("tokenizer.json").unwrap().splice(0..0, "\u{feff}".bytes());
    assert!(open(&files).is_ok());
}

/// A model with this tokenizer and minimal weights.
fn model(tokenizer: &Tokenizer, rows: usize) -> ModelFile {
    let config = ModelConfig {
        vocabulary: rows,
        context: 32,
        layers: 1,
        heads: 2,
        width: 16,
        dropout: 0.1,
        variant: Variant::GPT2,
    };
    ModelFile {
        config,
        weights: vec![0.25; Layout::new(&config).len],
        frozen: None,
        tokenizer: tokenizer.to_json(),
        roles: tokenizer.stated_roles().cloned(),
        ..sample::model()
    }
}

#[test]
fn token_roles_of_a_folder_are_in_every_export() {
    for name in ["pair", "sentences", "turns"] {
        let files = folder(name);
        let Opened { tokenizer, .. } = open(&files).unwrap();
        let own = read(&write(&model(&tokenizer, rows(&files))).unwrap()).unwrap();
        assert_eq!(own.tokenizer().unwrap().roles(), tokenizer.roles(), "{name}");
        let back = unzip(&hugging_face(&own, "2026-11-28").unwrap());
        let again = open(&back).unwrap().tokenizer;
        assert_eq!(again.roles(), tokenizer.roles(), "{name}");
        assert_eq!(again.to_json(), tokenizer.to_json(), "{name}");
        let (right, said) = (&expected()[name], parsed(&back["tokenizer_config.json"]));
        for (token, text) in right["names"].as_object().unwrap() {
            assert_eq!(said[token], *text, "{name}: {token}");
        }
        assert_eq!(parsed(&back["generation_config.json"])["eos_token_id"], right["ends"], "{name}");
        let template = files.get("chat_template.jinja").map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(said["chat_template"], json!(template), "{name}");
    }
}

/// The file of one of our tokenizers after a change.
fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let text = fs::read_to_string(fixtures().join("text.txt")).unwrap();
    let mut file = parsed(Tokenizer::train(Kind::Bpe, Some(500), &[&text]).unwrap().to_json().as_bytes());
    change(&mut file);
    file.to_string().into_bytes()
}

fn added(id: usize, content: &str, change: Value) -> Value {
    let mut token = json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": false,
    });
    token.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    token
}

/// Requires that both encode texts to the same ids and decode these equally, before and after the file is written
/// again.
#[track_caller]
fn assert_as_tokenizers(json: &[u8], pieces: &[&str]) {
    let ours = Tokenizer::from_json(json).unwrap();
    let again = Tokenizer::from_json(ours.to_json().as_bytes()).unwrap();
    let theirs = tokenizers::Tokenizer::from_bytes(json).unwrap();
    let rewritten = tokenizers::Tokenizer::from_bytes(ours.to_json()).unwrap();
    let mut texts = Texts::new(5);
    let mut met = 0;
    for round in 0..600 {
        let mut text = texts.next();
        for at in 0..round % 4 {
            text += pieces[(round / 4 + at) % pieces.len()];
            text += &texts.next();
        }
        let right = theirs.encode_fast(&text[..], false).unwrap().get_ids().to_vec();
        assert_eq!(ours.encode(&text), right, "{text:?}");
        assert_eq!(again.encode(&text), right, "{text:?}");
        assert_eq!(rewritten.encode_fast(&text[..], false).unwrap().get_ids(), right, "{text:?}");
        assert_eq!(ours.decode(&right).unwrap(), theirs.decode(&right, false).unwrap(), "{text:?}");
        let shown: Vec<_> = ours.pieces(&text).into_iter().flat_map(|piece| piece.ids).collect();
        assert_eq!(shown, right, "{text:?}");
        met += usize::from(pieces.iter().any(|piece| text.contains(piece)));
    }
    assert!(met > 300, "{met} texts have what is tested");
}

#[test]
fn stripping_and_single_word_tokens_are_as_in_tokenizers() {
    let json = changed(|file| {
        file["added_tokens"].as_array_mut().unwrap().extend([
            added(500, "<mask>", json!({"lstrip": true, "special": true})),
            added(501, "<cut>", json!({"rstrip": true})),
            added(502, "<both>", json!({"lstrip": true, "rstrip": true, "normalized": true})),
            added(503, "loro", json!({"single_word": true, "normalized": true})),
            added(504, "ñandú", json!({"single_word": true, "lstrip": true})),
        ]);
    });
    let pieces =
        [" \u{3000}<mask>", "<cut>\n\t ", "  <both>  ", "loro", " loro,", "_ñandú ", "\u{301}loro", "<cut> <mask>"];
    assert_as_tokenizers(&json, &pieces);
}

#[test]
fn composing_characters_is_as_in_tokenizers() {
    let nfc = json!({"type": "NFC"});
    for normalizer in [nfc.clone(), json!({"type": "Sequence", "normalizers": [nfc]})] {
        let json = changed(|file| {
            file["normalizer"] = normalizer.clone();
            file["added_tokens"].as_array_mut().unwrap().extend([
                added(500, "cafe\u{301}", json!({"normalized": true})),
                added(501, "ni\u{303}o", json!({"normalized": false})),
            ]);
        });
        let pieces = ["cafe\u{301}", "café", "ni\u{303}o", "a\u{301}\u{323}", "각", "\u{1100}\u{1161}", "\u{fb01}"];
        assert_as_tokenizers(&json, &pieces);
    }
}

#[test]
fn prefix_spaces_and_separated_digits_are_as_in_tokenizers() {
    let pieces = ["<|endoftext|>", "2026", " 1 2", "½Ⅷ٣", "'s", "\n\n"];
    for digits in [None, Some(true), Some(false)] {
        for space in [true, false] {
            let json = changed(|file| {
                let byte_level =
                    json!({"type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": true});
                let digits = digits.map(|alone| json!({"type": "Digits", "individual_digits": alone}));
                let steps: Vec<_> = digits.into_iter().chain([byte_level]).collect();
                file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": steps});
            });
            assert_as_tokenizers(&json, &pieces);
        }
    }
    let ours = Tokenizer::from_json(&changed(|file| file["pre_tokenizer"]["add_prefix_space"] = json!(true))).unwrap();
    for text in ["loro<|endoftext|>loro", "\nñ", "🦜", " a"] {
        assert_eq!(ours.pieces(text).iter().map(|piece| &piece.text[..]).collect::<String>(), text);
    }
}

#[test]
fn an_explicit_regex_of_gpt2_is_as_in_tokenizers() {
    for (behavior, invert) in [("Isolated", false), ("Removed", true)] {
        let json = changed(|file| {
            let regex = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
            let split = json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": behavior, "invert": invert});
            let bytes =
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
            file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, bytes]});
        });
        assert_as_tokenizers(&json, &["'ll", "it's 12", "  \n", "¿Qué?"]);
    }
}

#[test]
fn ignoring_merges_for_words_that_are_tokens_is_as_in_tokenizers() {
    let json = changed(|file| {
        file["model"]["ignore_merges"] = json!(true);
        file["model"]["vocab"]["Ġxylophone"] = json!(500);
        file["model"]["vocab"]["Ã±andÃº"] = json!(501);
    });
    assert_as_tokenizers(&json, &[" xylophone", "xylophone", "ñandú", " ñandú", " xylophones"]);
}

#[test]
fn gaps_in_the_ids_are_as_in_tokenizers_and_are_never_tokens() {
    let json = changed(|file| {
        file["model"]["vocab"]["<|endoftext|>"] = json!(510);
        file["added_tokens"][0]["id"] = json!(510);
        file["added_tokens"].as_array_mut().unwrap().push(added(500, "<pad>", json!({})));
    });
    assert_as_tokenizers(&json, &["<pad>", "<|endoftext|>"]);
    let ours = Tokenizer::from_json(&json).unwrap();
    assert_eq!((ours.vocabulary(), ours.end_of_text()), (511, Some(510)));
    let holes: Vec<u32> = std::iter::once(499).chain(501..510).collect();
    assert_eq!(ours.unused(), holes);
    assert_eq!(ours.decode(&[499, 505]).unwrap(), "");
    let taught = ours.with_special_tokens(&["<|user|>"]).unwrap();
    assert_eq!(taught.special_token("<|user|>"), Some(511));
    assert_eq!(Tokenizer::from_json(taught.to_json().as_bytes()).unwrap().special_token("<|user|>"), Some(511));
    assert_eq!(llama_cpp(&model(&ours, 511), GgufPrecision::F16).err(), None);
}

#[test]
fn tokenizers_that_llama_cpp_would_read_differently_are_not_exported_to_gguf() {
    let code = |json: &[u8]| {
        let tokenizer = Tokenizer::from_json(json).unwrap();
        llama_cpp(&model(&tokenizer, tokenizer.vocabulary()), GgufPrecision::F16).map_err(|error| error.code())
    };
    assert!(code(&changed(|_| {})).is_ok());
    type Change = fn(&mut Value);
    let changes: [Change; 3] = [
        |file| file["pre_tokenizer"]["add_prefix_space"] = json!(true),
        |file| file["model"]["ignore_merges"] = json!(true),
        |file| file["added_tokens"].as_array_mut().unwrap().push(added(500, "<x>", json!({"rstrip": true}))),
    ];
    for change in changes {
        assert_eq!(code(&changed(change)).unwrap_err(), "tokenizer-not-in-llama-cpp");
    }
}

#[test]
fn thousands_of_added_tokens_with_a_common_prefix_are_encoded_fast() {
    let pad = "<|a_token_that_begins_like_all_the_others_";
    let json = |count: usize| {
        changed(|file| {
            let tokens = (0..count).map(|index| added(500 + index, &format!("{pad}{index:05}|>"), json!({})));
            file["added_tokens"].as_array_mut().unwrap().extend(tokens);
        })
    };
    // A text of nothing but their prefix.
    let text = pad.repeat((1 << 20) / pad.len());
    let time = |count: usize| {
        let tokenizer = Tokenizer::from_json(&json(count)).unwrap();
        let fastest = (0..3).map(|_| {
            let start = ThreadTime::now();
            assert!(!tokenizer.encode(&text).is_empty());
            start.elapsed()
        });
        fastest.min().unwrap()
    };
    let (few, many) = (time(10), time(5000));
    assert!(many < 20 * few, "{few:?} with 10 tokens, {many:?} with 5000");
    assert_as_tokenizers(&json(1000), &[&format!("{pad}00999|>"), pad, &format!("{pad}00001|>x")]);
}
