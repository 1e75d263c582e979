//! The readers under test, and intact files to damage. If a reader accepts a damaged file, the result is used like on
//! the page.

use std::{collections::HashMap, io::Write};

use flate2::{Compression, write::GzEncoder};
use lorito::{
    chat::{self, Message, Role, whatsapp::ChatOptions},
    config::{Limits, ModelConfig, TrainConfig},
    corpus::{Corpus, Encoding, FileReader, HeldBack, ReadOptions, likely_field},
    device::Engine,
    formats::{self, Folder, GgufPrecision, Packing, Parts, Pretrained},
    tokenizer::{Kind, Tokenizer},
    train::Dataset,
};

use super::random::Random;

type Read = Box<dyn Fn(&[u8], &mut Random)>;

pub struct Target {
    pub name: &'static str,
    /// Intact files; each is also read unchanged.
    pub whole: Vec<Vec<u8>>,
    pub read: Read,
}

/// The contents of one or several files of tests/fixtures.
macro_rules! fixtures {
    ($($path:literal),+) => {
        vec![$(include_bytes!(concat!("../fixtures/", $path)).to_vec()),+]
    };
}

const LIMITS: Limits = Limits { largest_buffer: 1 << 30, total: 3 << 30 };

pub fn targets() -> Vec<Target> {
    let mut all = vec![];
    let mut add = |name, whole: Vec<Vec<u8>>, read: Read| all.push(Target { name, whole, read });

    add("model file", fixtures!("models/small.safetensors"), Box::new(|bytes, _| read_model(bytes)));
    add(
        "model file with a right hash",
        fixtures!("models/small.safetensors"),
        Box::new(|bytes, _| {
            if let Some(bytes) = with_right_hash(bytes) {
                read_model(&bytes);
            }
        }),
    );
    let tokenizers = fixtures!(
        "tokenizer/bpe.json",
        "tokenizer/byte.json",
        "tokenizer/char.json",
        "chat/bpe/tokenizer.json",
        "chat/char/tokenizer.json",
        "pretrained/prefixed/tokenizer.json"
    );
    add(
        "tokenizer.json",
        tokenizers,
        Box::new(|bytes, _| {
            if let Ok(tokenizer) = Tokenizer::from_json(bytes) {
                use_tokenizer(&tokenizer);
            }
        }),
    );
    add(
        "vocab.json",
        fixtures!("pretrained/plain/vocab.json"),
        Box::new(|bytes, _| {
            use_pair(bytes, include_bytes!("../fixtures/pretrained/plain/merges.txt"));
        }),
    );
    add(
        "merges.txt",
        fixtures!("pretrained/plain/merges.txt"),
        Box::new(|bytes, _| {
            use_pair(include_bytes!("../fixtures/pretrained/plain/vocab.json"), bytes);
        }),
    );
    for (name, whole) in [
        ("added_tokens.json", fixtures!("tokenizer/folders/pair/added_tokens.json")),
        ("special_tokens_map.json", fixtures!("tokenizer/folders/pair/special_tokens_map.json")),
        ("generation_config.json", fixtures!("tokenizer/folders/turns/generation_config.json")),
        (
            "tokenizer_config.json",
            fixtures!(
                "tokenizer/folders/pair/tokenizer_config.json",
                "tokenizer/folders/sentences/tokenizer_config.json",
                "tokenizer/folders/turns/tokenizer_config.json"
            ),
        ),
    ] {
        let read = move |bytes: &[u8], _: &mut Random| {
            let file = |asked: &str| match asked {
                "vocab.json" => Some(&include_bytes!("../fixtures/tokenizer/folders/pair/vocab.json")[..]),
                "merges.txt" => Some(&include_bytes!("../fixtures/tokenizer/folders/pair/merges.txt")[..]),
                _ => (asked == name).then_some(bytes),
            };
            if let Ok(opened) = Tokenizer::from_folder(file, 1000) {
                use_tokenizer(&opened.tokenizer);
            }
        };
        add(name, whole, Box::new(read));
    }
    let configs = fixtures!("pretrained/plain/config.json", "pretrained/prefixed/config.json");
    add(
        "config.json",
        configs,
        Box::new(|bytes, _| {
            if let Ok(config) = formats::pretrained_config(bytes) {
                let _ = config.fit_to_write(None, &LIMITS, Engine::Cpu);
                let _ = config.fit(&TrainConfig::default(), &LIMITS, Engine::WebGpu);
            }
        }),
    );
    for (name, file, whole) in [
        ("weights of a folder", "model.safetensors", fixtures!("pretrained/prefixed/model.safetensors")),
        ("weights of PyTorch", "pytorch_model.bin", fixtures!("torch/prefixed.bin", "torch/plain.bin")),
        ("GGUF file", "model.gguf", vec![gguf(), include_bytes!("../fixtures/gguf/mixed.gguf").to_vec(), gguf()]),
    ] {
        add(name, whole, Box::new(move |bytes, random| read_weights(file, bytes, random)));
    }
    let shards = fixtures!(
        "gguf/pieces-00001-of-00003.gguf",
        "gguf/pieces-00002-of-00003.gguf",
        "gguf/pieces-00003-of-00003.gguf"
    );
    add(
        "GGUF in several files",
        shards.clone(),
        Box::new(move |bytes, random| {
            let damaged = random.below(shards.len());
            let file = |(place, whole): (usize, &Vec<u8>)| {
                let bytes = if place == damaged { bytes } else { whole };
                let mut file = Parts::new(format!("{place}.gguf"), bytes.len() as u64);
                file.put(0, bytes.to_vec());
                file
            };
            let weights = shards.iter().enumerate().map(file).collect();
            if let Ok(plan) = Pretrained::plan(&Folder { weights, ..Folder::default() }) {
                use_tokenizer(&plan.tokenizer.tokenizer);
            }
        }),
    );
    add(
        "index of shards",
        fixtures!("pretrained/sharded/model.safetensors.index.json"),
        Box::new(|bytes, _| {
            let [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
            let beginning = |name: &str, bytes: &[u8]| {
                let mut file = Parts::new(name.into(), bytes.len() as u64);
                file.put(0, bytes.to_vec());
                file
            };
            let _ = Pretrained::plan(&Folder {
                config: include_bytes!("../fixtures/pretrained/sharded/config.json").to_vec(),
                tokenizer: tokenizer_json(include_bytes!("../fixtures/pretrained/sharded/tokenizer.json")),
                index: Some(("model.safetensors.index.json".into(), bytes.to_vec())),
                weights: vec![
                    beginning(first, include_bytes!("../fixtures/pretrained/sharded/model-00001-of-00002.safetensors")),
                    beginning(
                        second,
                        include_bytes!("../fixtures/pretrained/sharded/model-00002-of-00002.safetensors"),
                    ),
                ],
            });
        }),
    );
    add(
        "adapter_config.json",
        fixtures!("peft/adapter_config.json"),
        Box::new(|bytes, _| {
            let _ = formats::read_peft(bytes, include_bytes!("../fixtures/peft/adapter_model.safetensors"), &base());
        }),
    );
    add(
        "adapter_model.safetensors",
        fixtures!("peft/adapter_model.safetensors"),
        Box::new(|bytes, _| {
            let _ = formats::read_peft(include_bytes!("../fixtures/peft/adapter_config.json"), bytes, &base());
        }),
    );
    // The numbers of training ids, documents and validation ids come first, then the ids (src/train/data.rs).
    let lengths = [3u64, 2, 9].iter().flat_map(|length| length.to_le_bytes());
    let narrow = [1u16, 2, 3, 4, 5].iter().flat_map(|id| id.to_le_bytes());
    let wide = [1u32, 2, 3, 4, 70_000].iter().flat_map(|id| id.to_le_bytes());
    let wide = b"ids-32/1".iter().copied().chain(lengths.clone()).chain(wide).collect();
    let narrow = lengths.chain(narrow).collect();
    add(
        "tokens of a run",
        vec![narrow, wide],
        Box::new(|bytes, _| {
            let _ = Dataset::from_bytes(bytes);
        }),
    );
    let answers = vec![b"User: hello\nAssistant: yes\nUser:".to_vec(), "ñandú\nSystem: \n\n🦜".as_bytes().to_vec()];
    add("an answer in lines", answers, Box::new(read_answer));
    add(
        "a conversation",
        conversations(),
        Box::new(|bytes, _| {
            for line in String::from_utf8_lossy(bytes).lines() {
                if let chat::records::Form::Spoken(found) = chat::records::form(line) {
                    let _ = chat::render(&found.messages);
                }
                let _ = likely_field(line);
            }
        }),
    );

    let tables = vec![
        b"id,text\n1,\"one, \"\"two\"\"\"\n2,three\n".to_vec(),
        "sep=;\ntítulo;texto\n\"ñ\";\"año 🦜\"\n".as_bytes().to_vec(),
        b"prompt\tcompletion\nWho?\tAna.\nWhere?\t\"In the\nharbour\"\n".to_vec(),
        b"text\nhello\n\"not closed\nmore\nlines, here\n".to_vec(),
    ];
    let mut json = conversations();
    json.extend(fixtures!("chat/conversations.json", "tokenizer/samples.json"));
    json.push(br#"{"version": 1, "data": [{"body": "first of all"}, {"body": "b"}], "columns": ["body"]}"#.to_vec());
    json.push(br#"[{"text": NaN}, {"text": "t\u00f1\ud83e\udd9c",}]"#.to_vec());
    json.push(exported_chats());
    let chats = vec![
        "12/31/23, 11:59 PM - Messages and calls are end-to-end encrypted.\n12/31/23, 11:59 PM - Ana: Hola \
         https://a.example/x\n1/1/24, 12:05 AM - Eva: <Media omitted>\n1/1/24, 12:06 AM - Ana: +34 600 11 22 33\nsecond line\n"
            .into(),
        "\u{200E}[31/12/23, 23:59:59] Ana: \u{200E}image omitted\r\n[31/12/23, 23:59:59] Eva: año\n[1/1/24, 9:00:00 p. m.] \
         Ana: 🦜\r\n"
            .into(),
        "٣١‏/١٢‏/٢٠٢٣، ١١:٥٩ م - سارة: مرحبا\n١‏/١‏/٢٠٢٤، ١٢:٠٥ ص - علي: نعم\n".as_bytes().to_vec(),
    ];
    let texts = vec![
        b"plain text\r\nmore\rtext\n<|endoftext|>\nand more\0".to_vec(),
        "añil 漢字 🦜 e\u{301}\n".repeat(50).into_bytes(),
        "wide \u{1F99C}".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        b"caf\xe9 \x80 and some more words".to_vec(),
    ];
    let packed = tables.iter().chain(&json).map(|bytes| gzip(bytes)).collect();
    for (name, whole) in [
        ("a.csv", tables.clone()),
        ("a.tsv", tables),
        ("a.json", json.clone()),
        ("a.jsonl", conversations()),
        ("a.parquet", conversations()), // the page passes the rows of a table as JSON lines
        ("WhatsApp Chat with Eva.txt", chats),
        ("a.txt", texts),
        ("a.json.gz", packed),
    ] {
        add(name, whole, Box::new(move |bytes, random| read_text(name, bytes, random)));
    }
    all
}

fn read_model(bytes: &[u8]) {
    let _ = formats::check_header(bytes, None);
    let _ = formats::check_header(bytes, Some(bytes.len() as u64));
    let Ok(model) = formats::read(bytes) else { return };
    let _ = model.config.fit_to_write(None, &LIMITS, Engine::Cpu);
    let _ = formats::hugging_face(&model, "2026-01-01");
    let _ = formats::llama_cpp(&model, GgufPrecision::F16);
    let written = formats::write(&model).expect("what was read can be written");
    assert!(formats::read(&written).is_ok(), "what was written opens");
}

/// A model file whose header can be parsed, with the hash of its actual contents (src/formats/model_file.rs), so that
/// the code behind the hash check is reached.
fn with_right_hash(bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (head, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let mut header: serde_json::Value = serde_json::from_slice(head).ok()?;
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for key in ["lorito.manifest", "lorito.tokenizer"] {
        let words = header["__metadata__"][key].as_str()?;
        hash.update(&(words.len() as u64).to_le_bytes());
        hash.update(words.as_bytes());
    }
    let tensors = header.as_object()?.iter().filter(|(name, _)| *name != "__metadata__");
    let mut places: Vec<_> = tensors
        .filter_map(|(_, tensor)| {
            let place = &tensor["data_offsets"];
            Some((place[0].as_u64()? as usize, place[1].as_u64()? as usize))
        })
        .collect();
    places.sort_unstable();
    for (from, to) in places {
        hash.update(data.get(from..to)?);
    }
    header["__metadata__"]["lorito.hash"] = format!("{:016x}", hash.digest()).into();
    let head = serde_json::to_vec(&header).ok()?;
    Some([&(head.len() as u64).to_le_bytes()[..], &head, data].concat())
}

const SAMPLE: &str = "Hello  my friend's 2026 año\n\n 漢字 🦜 e\u{301} <|endoftext|><|user|>\0 x";

fn use_tokenizer(tokenizer: &Tokenizer) {
    let ids = tokenizer.encode(SAMPLE);
    let text = tokenizer.decode(&ids).expect("its own ids");
    let mut decoder = tokenizer.decoder();
    let mut streamed = String::new();
    for &id in &ids {
        streamed += &decoder.push(id).expect("its own ids");
    }
    streamed += &decoder.finish();
    // A decoder's ids go on with a text: it keeps the space that some tokenizers add to the beginning.
    let without_space = streamed.strip_prefix(' ').filter(|_| streamed != text);
    assert_eq!(without_space.unwrap_or(&streamed), text, "streaming decodes the same");
    let _ = tokenizer.unknown_characters(SAMPLE);
    let _ = tokenizer.encode_documents(&[SAMPLE]);
    let _ = tokenizer.byte_level();
    let _ = tokenizer.sentence_piece();
    let again = Tokenizer::from_json(tokenizer.to_json().as_bytes()).expect("what is written opens");
    assert_eq!(again.encode(SAMPLE), ids, "what is written encodes the same");
    if let Ok(with_turns) = tokenizer.with_special_tokens(&chat::TOKENS) {
        let question = Message { role: Role::User, content: SAMPLE.into() };
        let _ = chat::prompt(&[question], &with_turns);
    }
}

fn use_pair(vocabulary: &[u8], merges: &[u8]) {
    if let Ok(tokenizer) = Tokenizer::from_vocabulary(vocabulary, merges) {
        let ids = tokenizer.encode(SAMPLE);
        tokenizer.decode(&ids).expect("its own ids");
    }
}

fn tokenizer_json(bytes: &[u8]) -> HashMap<String, Vec<u8>> {
    HashMap::from([("tokenizer.json".to_owned(), bytes.to_vec())])
}

/// The base model of the adapter in tests/fixtures/peft.
fn base() -> ModelConfig {
    formats::pretrained_config(include_bytes!("../fixtures/pretrained/plain/config.json")).expect("a fixture")
}

/// As on the page, the parts of the file that are asked for are used for planning, and the pieces are read from the rest.
fn read_weights(name: &str, bytes: &[u8], random: &mut Random) {
    let total = if random.one_in(3) { random.number() >> random.below(60) } else { bytes.len() as u64 };
    let part = |from: u64, to: u64| {
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        range.and_then(|(from, to)| bytes.get(from..to))
    };
    let mut file = Parts::new(name.into(), total);
    while let Ok(wanted) = formats::wanted_parts(&file) {
        if wanted.is_empty() {
            break;
        }
        for range in wanted {
            assert!(range.start < range.end && range.end <= total, "{range:?} is in the file");
            let Some(bytes) = part(range.start, range.end) else { return };
            assert!(file.held() < 1 << 27, "a header has an end");
            file.put(range.start, bytes.to_vec());
        }
    }
    let folder = Folder {
        config: include_bytes!("../fixtures/pretrained/prefixed/config.json").to_vec(),
        tokenizer: tokenizer_json(include_bytes!("../fixtures/pretrained/prefixed/tokenizer.json")),
        weights: vec![file],
        ..Folder::default()
    };
    let Ok(plan) = Pretrained::plan(&folder) else { return };
    let _ = plan.config.fit_to_write(None, &LIMITS, Engine::Cpu);
    use_tokenizer(&plan.tokenizer.tokenizer);
    // The page asks for memory before it makes a model of this size.
    let is_small = plan.config.parameters() < 1 << 22;
    let mut packing = is_small.then(|| Packing::new(&plan.layout, &plan.forms()));
    for (index, piece) in plan.pieces.iter().enumerate() {
        if let Some(bytes) = part(piece.from, piece.to) {
            let _ = formats::numbers(piece, bytes);
            if let Some(packing) = packing.as_mut().filter(|_| index >= plan.compared) {
                let _ = packing.put(piece, bytes);
            }
        }
    }
    packing.map(Packing::finish);
}

/// A small GGUF file, half of which is its header.
fn gguf() -> Vec<u8> {
    let model = formats::read(include_bytes!("../fixtures/models/small.safetensors")).expect("a fixture");
    formats::llama_cpp(&model, GgufPrecision::Q8).expect("a model that llama.cpp knows")
}

fn read_answer(bytes: &[u8], random: &mut Random) {
    let text: Vec<char> = String::from_utf8_lossy(bytes).chars().collect();
    let mut answer = chat::Answer::default();
    for piece in text.chunks(1 + random.below(5)) {
        let _ = answer.push(&piece.iter().collect::<String>());
        if answer.has_ended() {
            break;
        }
    }
    let _ = answer.finish("the end");
}

fn read_text(name: &str, bytes: &[u8], random: &mut Random) {
    let encodings = [None, None, None, Some(Encoding::Utf8), Some(Encoding::Utf16Le), Some(Encoding::Windows1252)];
    let mut chat = ChatOptions::default();
    if random.one_in(4) {
        chat.you = Some("Ana".into());
    }
    if random.one_in(6) {
        chat.plain = true;
    }
    let fields = [None, None, Some("text".to_owned()), Some("body".to_owned())];
    let options = ReadOptions {
        field: fields[random.below(fields.len())].clone(),
        encoding: encodings[random.below(encodings.len())],
        expected_bytes: if random.one_in(2) { bytes.len() as u64 } else { 0 },
        chat,
        ..ReadOptions::default()
    };
    let mut reader = FileReader::new(name, options);
    let longest = 1 + random.below(5000);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((1 + random.below(longest)).min(rest.len()));
        if reader.push(chunk).is_err() {
            return;
        }
        rest = after;
    }
    let Ok(source) = reader.finish() else { return };
    let mut corpus = Corpus::default();
    corpus.add(source);
    if random.one_in(2) {
        corpus.hold_back(HeldBack::Ends);
    }
    let _ = (corpus.summary(), corpus.characters(), corpus.split());
    if random.one_in(20) {
        let documents: Vec<&str> = corpus.documents().collect();
        for kind in [Kind::Char, Kind::Byte] {
            let Ok(tokenizer) = Tokenizer::train(kind, None, &documents) else { continue };
            let ids: Vec<u32> = tokenizer.encode_documents(&documents).iter().collect();
            tokenizer.decode(&ids).expect("its own ids");
        }
    }
}

fn conversations() -> Vec<Vec<u8>> {
    [
        r#"{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": [{"type": "text", "text": "a"}]}]}"#,
        r#"{"conversations": [{"from": "human", "value": "x"}, {"from": "gpt", "value": "y"}]}"#,
        r#"{"prompt": "a", "completion": "b", "system": "s"}"#,
        r#"{"instruction": "i", "input": null, "output": "o"}"#,
        "{\"text\": \"a\"}\n{\"text\": \"b\\ud83e\"}\n\n\"c\"\n",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}

/// A file in each format that chat programs export.
fn exported_chats() -> Vec<u8> {
    br#"[{"title": "t", "current_node": "b", "mapping": {
      "a": {"parent": null, "message": {"author": {"role": "user"}, "content": {"parts": ["Is it late?"]}}},
      "b": {"parent": "a", "message": {"author": {"role": "assistant"}, "content": {"parts": ["Yes."]}}}}},
     {"chat_messages": [{"sender": "human", "text": "Who?", "content": []}, {"sender": "assistant", "text": "Ana."}]},
     {"name": "Eva", "type": "personal_chat", "messages": [{"from": "Eva", "text": ["see ", {"type": "link", "text": "it"}]}]},
     {"participants": [{"name": "Eva"}], "messages": [{"sender_name": "Eva", "content": "a\u00c3\u00b1o"}]}]"#
        .to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).and_then(|()| packed.finish()).expect("memory takes all")
}
