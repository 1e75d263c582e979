//! Files of every format, in chunks of every size, whole and damaged: the same text, an error or a notice, never a panic.

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

/// Reads a file in chunks of 1 and 7 bytes and in one piece, which must all give the same.
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
fn windows_1252_is_found_out_late() {
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
fn a_named_encoding_is_followed() {
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
fn empty_files() {
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
fn binary_files() {
    let binary = |bytes: &[u8]| match read("a.txt", bytes) {
        Err(Error::FileBinary { name, kind }) if name == "a.txt" => kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(binary(b"%PDF-1.7 and so on").as_deref(), Some("pdf"));
    assert_eq!(binary(&gzip(b"\x89PNG\r\n\x1A\n")).as_deref(), Some("png"));
    assert_eq!(binary(&gzip(&gzip(b"twice"))).as_deref(), Some("gzip"));
    assert_eq!(binary(b"text and \0"), None);
    assert_eq!(binary(&utf16("no mark", b"", u16::to_le_bytes)), None);
    assert_eq!(binary(b"\xFF\xFE\x41\0\0\0\x42\0"), None);
    // Text for longer than the head that is looked at, and then bytes that are not.
    let late = ["Words. ".repeat(2000).as_bytes(), &[0xFF, 0, 1, 2].repeat(1000)].concat();
    assert_eq!(binary(&late), None);
    // A large film is refused by its first chunk.
    let mut reader = FileReader::new("a.txt", ReadOptions::default());
    assert!(matches!(reader.push(&[0; 5000]), Err(Error::FileBinary { .. })));
}

#[test]
fn a_limit_counts_text_whatever_its_file_takes() {
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
    // What Windows-1252 makes of it counts, too.
    let grown = ["a".repeat(9000).as_bytes(), &[0xE9; 999]].concat();
    let error = read_with("a.txt", &grown, 1000, options(0)).unwrap_err();
    assert!(matches!(error, Error::FileTooLarge { .. }), "{error:?}");
}

#[test]
fn a_gzip_bomb_is_refused_before_it_bursts() {
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
fn damaged_gzip_is_an_error() {
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
        // As JSON these are errors; some are also what JSON lines look like.
        assert!(read("a.json", case).is_err(), "{shown}");
    }
}

#[test]
fn a_missing_field_is_answered_with_those_there_are() {
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
fn notices_travel_as_the_page_reads_them() {
    let notice = Notice::JsonLinesBroken { name: "a".into(), count: 2, first_line: 3 };
    let expected = serde_json::json!({"code": "json-lines-broken", "name": "a", "count": 2, "firstLine": 3});
    assert_eq!(serde_json::to_value(notice).unwrap(), expected);
    let notice = Notice::DecodedAsWindows1252 { name: "a".into() };
    assert_eq!(serde_json::to_value(notice).unwrap()["code"], "decoded-as-windows1252");
    let options: ReadOptions = serde_json::from_str("{\"encoding\": \"utf-16be\", \"expectedBytes\": 5}").unwrap();
    assert_eq!((options.encoding, options.expected_bytes, options.limit), (Some(Encoding::Utf16Be), 5, 512 << 20));
}

#[test]
fn a_corpus_adds_up_its_sources() {
    let mut corpus = Corpus::default();
    assert!(corpus.is_empty());
    corpus.add(read("a.txt", "año\r\n".repeat(10).as_bytes()).unwrap());
    corpus.add(read("b.jsonl", b"\"x\"\n\"yy\"\nbroken").unwrap());
    // A bad file never gets as far as the corpus.
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

/// SplitMix64: enough for tests, and the same everywhere.
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

/// Pieces that parsers stumble over.
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
fn nothing_makes_it_panic() {
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
