//! Files of every format, in chunks of every size, intact and damaged: the same text, an error or a notice, never a
//! panic.

use std::io::Write;

use lorito::corpus::{Corpus, Encoding, FileReader, Notice, ReadOptions, Source, Split};
use lorito::error::{Error, Result};

fn read_with(name: &str, bytes: &[u8], chunk: usize, options: ReadOptions) -> Result<Source> {
    let mut reader = FileReader::new(name, options);
    for chunk in bytes.chunks(chunk) {
        reader.push(chunk)?;
    }
    reader.finish()
}

/// Reads a file in chunks of 1 and 7 bytes and in one piece, and requires equal results.
fn read(name: &str, bytes: &[u8]) -> Result<Source> {
    let whole = read_with(name, bytes, bytes.len().max(1), ReadOptions::default());
    for chunk in [1, 7] {
        assert_eq!(read_with(name, bytes, chunk, ReadOptions::default()), whole, "{name} in chunks of {chunk}");
    }
    let expected_bytes = bytes.len() as u64;
    let foretold = read_with(name, bytes, 1000, ReadOptions { expected_bytes, ..ReadOptions::default() });
    assert_eq!(foretold, whole, "{name} with its size foretold");
    whole
}

fn documents(source: &Source) -> Vec<&str> {
    source.documents().collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str, mark: &[u8], bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    mark.iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect()
}

/// A file of each format with the same two documents, in UTF-8 with CRLF.
const FORMATS: [(&str, &str); 6] = [
    ("a.csv", "id,text\r\n1,\"año\r\n漢 🦜\"\r\n2,second one\r\n"),
    ("a.tsv", "id\ttext\r\n1\t\"año\r\n漢 🦜\"\r\n2\tsecond one"),
    ("a.json", "[{\"text\": \"año\\r\\n漢 🦜\"},\r\n {\"text\": \"second one\"}]"),
    ("a.JSONL", "{\"text\": \"año\\r\\n漢 🦜\"}\r\n{\"text\": \"second one\"}\r\n"),
    ("a.ndjson", "\"a\\u00f1o\\n漢 \\ud83e\\udd9c\"\r\n\r\n\"second one\""),
    ("a.json", "{\"text\": \"año\\r\\n漢 🦜\"}\r\n\"second one\"\r\n"),
];

#[test]
fn every_format_in_every_encoding_and_chunking() {
    for (name, text) in FORMATS {
        let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
        let files = [
            (Encoding::Utf8, text.as_bytes().to_vec()),
            (Encoding::Utf8, marked),
            (Encoding::Utf16Le, utf16(text, b"\xFF\xFE", u16::to_le_bytes)),
            (Encoding::Utf16Be, utf16(text, b"\xFE\xFF", u16::to_be_bytes)),
        ];
        for (encoding, bytes) in files {
            let zipped = format!("{name}.gz");
            for (name, bytes) in [(name, bytes.clone()), (zipped.as_str(), gzip(&bytes))] {
                let source = read(name, &bytes).unwrap();
                assert_eq!(documents(&source), ["año\n漢 🦜", "second one"], "{name} {encoding:?}");
                assert_eq!((source.encoding, source.notices.as_slice()), (encoding, [].as_slice()), "{name}");
            }
        }
    }
}

#[test]
fn plain_text_is_one_document() {
    for name in ["a.txt", "a.md", "LICENSE", "a.txt.gz", ".json.txt", "a.rs"] {
        let source = read(name, "one\r\n\rtwo, with ñ\n".as_bytes()).unwrap();
        assert_eq!((documents(&source), source.name.as_str()), (vec!["one\n\ntwo, with ñ\n"], name));
        assert_eq!((source.field, source.fields), (None, vec![]));
    }
}

#[test]
fn windows_1252_is_detected_from_bytes_late_in_a_file() {
    let mut bytes = "Plain lines at first.\r\n".repeat(5000).into_bytes();
    bytes.extend_from_slice(b"Do\xF1a \x93Quijote\x94 \x96 5 \x80\r\n");
    let source = read("a.txt", &bytes).unwrap();
    assert!(source.text.ends_with("first.\nDoña “Quijote” – 5 €\n"));
    assert_eq!(source.encoding, Encoding::Windows1252);
    assert_eq!(source.notices, [Notice::DecodedAsWindows1252 { name: "a.txt".into() }]);

    let table = read("a.csv", b"text,n\nma\xF1ana,1\nsi,2\n").unwrap();
    assert_eq!((documents(&table), table.encoding), (vec!["mañana", "si"], Encoding::Windows1252));
}

#[test]
fn a_chosen_encoding_is_used() {
    let options = |encoding| ReadOptions { encoding: Some(encoding), ..ReadOptions::default() };
    let bare = utf16("añil", b"", u16::to_le_bytes);
    assert_eq!(read_with("a.txt", &bare, 1, options(Encoding::Utf16Le)).unwrap().text, "añil");
    let latin = read_with("a.txt", "ñ".as_bytes(), 1, options(Encoding::Windows1252)).unwrap();
    assert_eq!((latin.text.as_str(), latin.notices.len()), ("Ã±", 0));
    let damaged = read_with("a.txt", b"\xEF\xBB\xBFa\xFFb", 1, options(Encoding::Utf8)).unwrap();
    assert_eq!(damaged.text, "a\u{FFFD}b");
    assert_eq!(damaged.notices, [Notice::CharactersReplaced { name: "a.txt".into(), count: 1 }]);
}

#[test]
fn replaced_characters_are_counted_together() {
    let line = "\"half \\ud83e\"";
    let mut bytes = utf16(line, b"\xFF\xFE", u16::to_le_bytes);
    bytes.extend_from_slice(&[b'\n', 0, b'"', 0, 0x3E, 0xD8, b'"', 0]);
    let source = read("a.jsonl", &bytes).unwrap();
    assert_eq!(documents(&source), ["half \u{FFFD}", "\u{FFFD}"]);
    assert_eq!(source.notices, [Notice::CharactersReplaced { name: "a.jsonl".into(), count: 2 }]);
}

#[test]
fn empty_files_are_refused() {
    let blank = " \r\n".repeat(5000);
    let mark: &[u8] = b"\xEF\xBB\xBF";
    let contents = [b"".as_slice(), b"\n", b" ", mark, b"\xFF\xFE", b"\xFF\xFE\n\0", blank.as_bytes()];
    for name in ["a.txt", "a.csv", "a.json", "a.jsonl"] {
        for content in contents {
            for bytes in [content.to_vec(), gzip(content)] {
                assert_eq!(read(name, &bytes), Err(Error::FileEmpty { name: name.into() }), "{content:?}");
            }
        }
    }
}

#[test]
fn binary_files_are_refused() {
    let binary = |bytes: &[u8]| match read("a.txt", bytes) {
        Err(Error::FileBinary { name, kind }) if name == "a.txt" => kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(binary(b"%PDF-1.7 and so on").as_deref(), Some("pdf"));
    assert_eq!(binary(&gzip(b"\x89PNG\r\n\x1A\n")).as_deref(), Some("png"));
    assert_eq!(binary(&gzip(&gzip(b"twice"))).as_deref(), Some("gzip"));
    assert_eq!(binary(b"\0\0\0 a"), None);
    assert_eq!(binary(b"a\0\0\0b\0\0\0"), None);
    assert_eq!(binary(b"\xFF\xFE\x01\0\x02\0\x42\0"), None);
    // Text for longer than the examined beginning, followed by binary data.
    let late = ["Words. ".repeat(2000).as_bytes(), &[0xFF, 0, 1, 2].repeat(1000)].concat();
    assert_eq!(binary(&late), None);
    // A large binary file is refused at its first chunk.
    let mut reader = FileReader::new("a.txt", ReadOptions::default());
    assert!(matches!(reader.push(&[0; 5000]), Err(Error::FileBinary { .. })));
}

#[test]
fn a_few_invalid_bytes_do_not_change_the_detected_encoding() {
    let line = "Al caer la tarde, Íñigo bajó al río.\n";
    let text = [line.repeat(20).as_bytes(), b"It\x92s the only one \xED\xA0\xBD\xED\xB1\x89 \xE2\x80\n"].concat();
    let source = read("a.txt", &text).unwrap();
    assert_eq!(source.text, line.repeat(20) + "It’s the only one 👉 \u{FFFD}\n");
    assert_eq!(source.encoding, Encoding::Utf8);
    assert_eq!(source.notices, [Notice::CharactersReplaced { name: "a.txt".into(), count: 3 }]);

    let rows = "{\"text\": \"jardín\"}\n".repeat(20);
    let source = read("a.jsonl", &[rows.as_bytes(), b"{\"text\": \"it\x92s\"}\n"].concat()).unwrap();
    assert_eq!((documents(&source)[0], documents(&source)[20]), ("jardín", "it’s"));
}

#[test]
fn both_parts_of_a_file_in_two_encodings_are_read() {
    let line = "Al caer la tarde, Íñigo bajó al río.\n";
    let latin: Vec<u8> = line.chars().map(|character| character as u8).collect();
    let name = || "a.txt".to_owned();
    let both = [line.repeat(30).as_bytes(), &latin.repeat(20)].concat();
    let source = read("a.txt", &both).unwrap();
    assert_eq!((source.text.as_str(), source.encoding), (line.repeat(50).as_str(), Encoding::Utf8));
    let encoding = Encoding::Windows1252;
    assert_eq!(source.notices, [Notice::PartsInAnotherEncoding { name: name(), encoding, count: 20 }]);

    // As when PowerShell appends to a UTF-8 file.
    let tail = utf16(&line.replace('\n', "\r\n").repeat(20), b"", u16::to_le_bytes);
    let source = read("a.txt", &[line.repeat(30).as_bytes(), &tail].concat()).unwrap();
    assert_eq!((source.text.as_str(), source.encoding), (line.repeat(50).as_str(), Encoding::Utf8));
    let encoding = Encoding::Utf16Le;
    assert_eq!(source.notices, [Notice::PartsInAnotherEncoding { name: name(), encoding, count: 1 }]);
    let table =
        read("a.csv", &[b"id,text\r\n1,one\r\n".as_slice(), &utf16("2,añil\r\n", b"", u16::to_le_bytes)].concat());
    assert_eq!(documents(&table.unwrap()), ["one", "añil"]);
}

#[test]
fn utf16_is_detected_without_a_byte_order_mark() {
    for (name, text) in FORMATS {
        for (encoding, bytes) in [
            (Encoding::Utf16Le, utf16(text, b"", u16::to_le_bytes)),
            (Encoding::Utf16Be, utf16(text, b"", u16::to_be_bytes)),
        ] {
            let source = read(name, &bytes).unwrap();
            assert_eq!((documents(&source), source.encoding), (vec!["año\n漢 🦜", "second one"], encoding), "{name}");
            assert_eq!(source.notices, [], "{name}");
        }
    }
}

#[test]
fn nuls_are_left_out_at_any_position() {
    let line = "The ferryman counts the plañks.\n";
    let text = line.repeat(1000);
    for at in [0, 5, 4000, 4096, 30_000, text.len()] {
        let mut bytes = text.clone().into_bytes();
        bytes.insert(at, 0);
        let source = read("a.txt", &bytes).unwrap();
        assert_eq!((source.text.as_str(), source.encoding), (text.as_str(), Encoding::Utf8), "{at}");
        assert_eq!(source.notices, [Notice::NulsLeftOut { name: "a.txt".into(), count: 1 }], "{at}");
    }
}

#[test]
fn older_encodings_are_detected_or_chosen() {
    let lines = "Маяк стоит на скале, и лодки идут домой.\n".repeat(30);
    for (known, encoding) in
        [(encoding_rs::KOI8_R, Encoding::Koi8R), (encoding_rs::WINDOWS_1251, Encoding::Windows1251)]
    {
        let (bytes, ..) = known.encode(&lines);
        let source = read("a.txt", &bytes).unwrap();
        assert_eq!((source.text.as_str(), source.encoding), (lines.as_str(), encoding));
        assert_eq!(source.notices, [Notice::EncodingGuessed { name: "a.txt".into(), encoding }]);
    }
    let (bytes, ..) = encoding_rs::MACINTOSH.encode("id,text\n1,jardín\n");
    let options = ReadOptions { encoding: Some(Encoding::Macintosh), ..ReadOptions::default() };
    let source = read_with("a.csv", &bytes, 3, options).unwrap();
    assert_eq!((documents(&source), source.notices.len()), (vec!["jardín"], 0));
}

#[test]
fn the_end_of_text_token_separates_documents_of_plain_text() {
    let source = read("a.txt", b"<|startoftext|>one<|endoftext|>\n<|startoftext|>two\n\n<|endoftext|>\n").unwrap();
    assert_eq!(documents(&source), ["<|startoftext|>one", "<|startoftext|>two"]);
    let source = read("a.md", b"one\r\n<|endoftext|>\r\n  two\r\n\r\nlines\r\n").unwrap();
    assert_eq!(documents(&source), ["one", "  two\n\nlines"]);
    assert_eq!(read("a.txt", b"<|endoftext|>\n"), Err(Error::NoTextInFile { name: "a.txt".into() }));
    let rows = read("a.jsonl", b"{\"text\": \"a<|endoftext|>b\"}").unwrap();
    assert_eq!(documents(&rows), ["a<|endoftext|>b"]);
}

#[test]
fn composed_and_decomposed_letters_give_the_same_text() {
    let (apart, one) = ("nin\u{303}o y an\u{303}o\n", "niño y año\n");
    let mut corpus = Corpus::default();
    corpus.add(read("a.txt", apart.as_bytes()).unwrap());
    corpus.add(read("b.txt", one.as_bytes()).unwrap());
    assert_eq!(corpus.characters().into_iter().collect::<String>(), "\n ainoyñ");
    // The same text must not be in both training and validation data.
    let rows: String = (0..60).map(|row| format!("\"nin\u{303}o {row}\"\n\"niño {row}\"\n")).collect();
    corpus.clear();
    corpus.add(read("a.jsonl", rows.as_bytes()).unwrap());
    let Split { train, validation } = corpus.split();
    let composed: Vec<String> = train.iter().map(|text| text.replace("n\u{303}", "ñ")).collect();
    assert!(!validation.is_empty());
    assert!(validation.iter().all(|text| !composed.contains(&text.replace("n\u{303}", "ñ"))));
}

#[test]
fn many_small_documents_take_little_memory() {
    let rows = "\"a\"\n".repeat(300_000);
    let mut corpus = Corpus::default();
    corpus.add(read_with("a.jsonl", rows.as_bytes(), 1 << 20, ReadOptions::default()).unwrap());
    let Split { train, validation } = corpus.split();
    assert_eq!((train.len(), validation.len()), (270_000, 30_000));
    assert!(corpus.cost(None, 2) < 100 * 300_000 && corpus.cost(Some(0), 2) == 0);
}

#[test]
fn the_size_limit_counts_text_not_file_bytes() {
    let options = |expected_bytes| ReadOptions { limit: 10_000, expected_bytes, ..ReadOptions::default() };
    let fits = "a".repeat(10_000);
    let too_large = "a".repeat(10_001);
    for chunk in [7, 100_000] {
        assert!(read_with("a.txt", fits.as_bytes(), chunk, options(10_000)).is_ok());
        assert!(read_with("a.txt", &utf16(&fits, b"\xFF\xFE", u16::to_le_bytes), chunk, options(20_002)).is_ok());
        for bytes in [too_large.as_bytes().to_vec(), gzip(too_large.as_bytes())] {
            let error = read_with("a.txt", &bytes, chunk, options(0)).unwrap_err();
            assert!(matches!(error, Error::FileTooLarge { bytes: 10_001.., limit: 10_000, .. }), "{error:?}");
        }
    }
    // A size that cannot fit is refused before the file is read.
    let mut reader = FileReader::new("a.txt", options(1 << 40));
    let error = Error::FileTooLarge { name: "a.txt".into(), bytes: 1 << 40, limit: 10_000 };
    assert_eq!(reader.push(&[b'a'; 5000]), Err(error));
    // Decoding Windows-1252 makes it longer, which counts, too.
    let grown = ["a".repeat(9000).as_bytes(), &[0xE9; 999]].concat();
    let error = read_with("a.txt", &grown, 1000, options(0)).unwrap_err();
    assert!(matches!(error, Error::FileTooLarge { .. }), "{error:?}");
}

#[test]
fn a_gzip_bomb_is_refused_before_it_is_unpacked() {
    let bomb = gzip(&vec![b'a'; 16 << 20]);
    assert!(bomb.len() < 100_000);
    for chunk in [1000, bomb.len()] {
        let mut reader = FileReader::new("a.txt.gz", ReadOptions { limit: 1 << 20, ..ReadOptions::default() });
        let refused = bomb.chunks(chunk).map(|chunk| reader.push(chunk)).find(Result::is_err);
        let Some(Err(Error::FileTooLarge { bytes, .. })) = refused else { panic!("{refused:?}") };
        assert!(bytes < 2 << 20, "{bytes} bytes were inflated");
    }
}

#[test]
fn damaged_gzip_files_are_refused() {
    let whole = gzip("Some text to be packed, long enough to have a middle. ".repeat(50).as_bytes());
    let damaged = |bytes: &[u8]| assert_eq!(read("a.txt", bytes), Err(Error::GzipDamaged { name: "a.txt".into() }));
    for cut in [3, 9, 10, 11, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        damaged(&whole[..cut]);
    }
    let mut changed = whole.clone();
    changed[whole.len() - 5] ^= 1;
    damaged(&changed);
    let members = [gzip(b"one, "), gzip(b"two")].concat();
    assert_eq!(read("a.gz", &members).unwrap().text, "one, two");
    // Zeros that pad a block are permitted; any other data after a member are an error.
    for zeros in [1, 511, 10_000] {
        let padded = [members.clone(), vec![0; zeros]].concat();
        assert_eq!(read("a.gz", &padded).unwrap().text, "one, two");
        damaged(&[&whole[..whole.len() - 6], &vec![0; zeros]].concat());
        damaged(&[&whole[..], &vec![0; zeros], b"more"].concat());
    }
}

#[test]
fn malformed_json_lines_end_in_an_error_or_a_notice() {
    let deep = "[".repeat(200_000);
    let deep_value = format!("{{\"text\": {}", "{\"a\":".repeat(100_000));
    let cases: [&[u8]; 21] = [
        b"{",
        b"}",
        b"{\"text\"",
        b"{\"text\":",
        b"{\"text\": \"",
        b"{\"text\": \"a\"",
        b"{\"text\": \"a\\\"}",
        b"{\"text\": \"a\\u12\"}",
        b"{\"text\": \"\\x\"}",
        b"{text: \"a\"}",
        b"{'text': 'a'}",
        b"{\"text\": nul}",
        b"{\"text\": NaN, \"a\": }",
        b"{\"text\": 1e}",
        b"{\"text\" \"a\"}",
        b"\"open",
        b"[1, 2",
        b"text",
        b",",
        deep.as_bytes(),
        deep_value.as_bytes(),
    ];
    for case in cases {
        let shown = String::from_utf8_lossy(&case[..case.len().min(30)]).into_owned();
        let error = read("a.jsonl", case).unwrap_err();
        assert!(matches!(error, Error::JsonInvalid { line: 1, column: 1.., .. }), "{shown}: {error:?}");
        let beside = [b"\n{\"text\": \"good\"}\n", case, b"\n{\"text\": \"good, too\"}"].concat();
        let source = read("a.jsonl", &beside).unwrap();
        assert_eq!(documents(&source), ["good", "good, too"], "{shown}");
        let broken = Notice::JsonLinesBroken { name: "a.jsonl".into(), count: 1, first_line: 3 };
        assert_eq!(source.notices, [broken], "{shown}");
        // As JSON these are errors; some are also valid JSON lines.
        assert!(read("a.json", case).is_err(), "{shown}");
    }
}

#[test]
fn the_error_for_a_missing_field_lists_the_existing_ones() {
    let options = || ReadOptions { field: Some("words".into()), ..ReadOptions::default() };
    let files =
        [("a.csv", "a,b\nx,y\n"), ("a.jsonl", "{\"a\":\"x\",\"b\":\"y\"}"), ("a.json", "[{\"a\":\"x\",\"b\":\"y\"}]")];
    for (name, text) in files {
        let error = read_with(name, text.as_bytes(), 5, options()).unwrap_err();
        let fields = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(error, Error::FieldMissing { name: name.into(), field: "words".into(), fields });
    }
    let plain = read_with("a.txt", b"plain text has no fields", 5, options());
    assert!(plain.is_ok());
}

#[test]
fn notices_are_serialized_as_the_page_expects() {
    let notice = Notice::JsonLinesBroken { name: "a".into(), count: 2, first_line: 3 };
    let expected = serde_json::json!({"code": "json-lines-broken", "name": "a", "count": 2, "firstLine": 3});
    assert_eq!(serde_json::to_value(notice).unwrap(), expected);
    let notice = Notice::DecodedAsWindows1252 { name: "a".into() };
    assert_eq!(serde_json::to_value(notice).unwrap()["code"], "decoded-as-windows1252");
    let options: ReadOptions = serde_json::from_str("{\"encoding\": \"utf-16be\", \"expectedBytes\": 5}").unwrap();
    assert_eq!((options.encoding, options.expected_bytes, options.limit), (Some(Encoding::Utf16Be), 5, 512 << 20));
}

#[test]
fn a_corpus_sums_up_its_sources() {
    let mut corpus = Corpus::default();
    assert!(corpus.is_empty());
    corpus.add(read("a.txt", "año\r\n".repeat(10).as_bytes()).unwrap());
    corpus.add(read("b.jsonl", b"\"x\"\n\"yy\"\nbroken").unwrap());
    // An unreadable file is never added to the corpus.
    assert!(read("c.txt", b"\0").is_err());

    let summary = serde_json::to_value(corpus.summary()).unwrap();
    for (field, expected) in [("documents", 3), ("characters", 43), ("distinctCharacters", 6), ("bytes", 53)] {
        assert_eq!(summary[field], expected, "{field}");
    }
    assert_eq!(summary["trainDocuments"].as_u64().unwrap() + summary["validationDocuments"].as_u64().unwrap(), 3);
    assert_eq!(summary["trainCharacters"].as_u64().unwrap() + summary["validationCharacters"].as_u64().unwrap(), 43);
    assert_eq!(summary["sources"][0]["name"], "a.txt");
    assert_eq!(summary["sources"][0]["encoding"], "utf-8");
    assert_eq!(summary["sources"][1]["notices"][0]["firstLine"], 3);
    assert!(summary["preview"].as_str().unwrap().ends_with("año\n\nx\nyy"));
    assert_eq!(corpus.characters().into_iter().collect::<String>(), "\naoxyñ");

    corpus.remove(7);
    corpus.remove(0);
    assert_eq!(corpus.sources().len(), 1);
    assert_eq!(corpus.characters().into_iter().collect::<String>(), "xy");
    corpus.clear();
    assert!(corpus.is_empty() && corpus.split().train.is_empty());
    assert_eq!(corpus.summary().preview, "");
}

/// SplitMix64: sufficient for tests, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let state = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        state ^ (state >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Pieces that are difficult for parsers.
const PIECES: [&[u8]; 36] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\"\"",
    b":",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"\r\n",
    b"\\",
    b"\\u",
    b"\\ud83e",
    b"\\udd9c",
    b"\"text\"",
    b"{\"text\": \"a\"}",
    b"{\"b\": [\"x\"]}",
    b"null",
    b"1e9",
    b"-",
    b" ",
    b"word",
    b"\xC3",
    b"\xC3\xB1",
    b"\xE6\xBC",
    b"\xF0\x9F\xA6\x9C",
    b"\xFF",
    b"\xED\xA0\x80",
    b"\x80",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\x1F\x8B\x08",
    b"\0",
];

#[test]
fn random_files_never_make_the_reader_panic() {
    let mut random = Random(1);
    let names = ["a.txt", "a.csv", "a.tsv", "a.json", "a.jsonl"];
    let encodings = [None, Some(Encoding::Utf8), Some(Encoding::Utf16Le), Some(Encoding::Windows1252)];
    let mut usable = 0;
    for round in 0..5000 {
        let mut bytes = Vec::new();
        let kinds = 1 + random.below(PIECES.len());
        for _ in 0..random.below(60) {
            match round % 8 {
                0 => bytes.push(random.next() as u8),
                _ => bytes.extend_from_slice(PIECES[random.below(kinds)]),
            }
        }
        if round % 16 == 1 {
            bytes = gzip(&bytes);
            let at = random.below(bytes.len());
            bytes[at] ^= (random.below(4) == 0) as u8;
        }
        let name = names[random.below(names.len())];
        let field = (random.below(4) == 0).then(|| "text".to_owned());
        let encoding = encodings[random.below(8) % encodings.len()].filter(|_| random.below(2) == 0);
        let options = || ReadOptions { field: field.clone(), encoding, ..ReadOptions::default() };
        let chunk = 1 + random.below(9);
        let source = read_with(name, &bytes, chunk, options());
        assert_eq!(source, read_with(name, &bytes, 1000, options()), "{name} {bytes:?}");
        let Ok(source) = source else { continue };
        usable += 1;
        assert!(source.documents().all(|document| !document.trim().is_empty()), "{name} {bytes:?}");
        assert!(!source.text.contains('\r'), "{name} {bytes:?}");
        let mut corpus = Corpus::default();
        corpus.add(source);
        let Split { train, validation } = corpus.split();
        let characters = train.iter().chain(&validation).map(|text| text.chars().count()).sum::<usize>();
        assert_eq!(characters, corpus.summary().characters, "{name} {bytes:?}");
    }
    assert!(usable > 500, "only {usable} of these files were text");
}
