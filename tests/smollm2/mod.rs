//! What the crate makes of a model that others have trained: SmolLM2-135M-Instruct. The ignored tests write its answers to
//! what `prove.py` asks, and `prove.py` compares them with those of transformers and PEFT; `cargo xtask test --only pretrained`
//! runs all of it. `measure.py` measures.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use cpu_time::ProcessTime;
use futures_lite::future::block_on;
use lorito::{
    chat::{ChatEncoder, Message},
    config::{LoraConfig, Targets, TrainConfig},
    device::{CPU_LIMITS, Engine},
    formats::{self, GgufPrecision, ModelFile},
    generate::{Generation, LeftOut, Sampling},
    model::Gpt,
    ops::{self, Device},
    session::{GenerateOptions, Session},
    tokenizer::Tokenizer,
    train::Dataset,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    hugging_face::{Files, files_in, open, unzip},
    memory::peak,
};

/// What `prove.py` asks.
#[derive(Deserialize)]
struct Asked {
    gguf: PathBuf,
    /// Texts to encode.
    texts: Vec<String>,
    /// Texts to continue.
    prompts: Vec<String>,
    /// Conversations to answer.
    chats: Vec<Vec<Message>>,
    /// A text to learn, and its beginning, which is then to be continued.
    lesson: String,
    begins: String,
    /// How many tokens to write each time.
    tokens: usize,
}

const GREEDY: Sampling = Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, repetition_penalty: 1.0, seed: 0 };

/// Where both sides write.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("smollm2")
}

fn asked() -> Asked {
    serde_json::from_slice(&fs::read(folder().join("asked.json")).unwrap()).unwrap()
}

fn write(name: &str, value: &Value) {
    fs::write(folder().join(name), value.to_string()).unwrap();
}

fn opened(files: &Files) -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    open(&mut session, files).unwrap();
    session
}

fn opened_gguf(bytes: Vec<u8>) -> Session {
    opened(&Files::from([("model.gguf".to_owned(), bytes)]))
}

/// The model of a session with its tokenizer, by way of Lorito's own file.
fn model(session: &Session) -> (Gpt, Tokenizer) {
    let own = formats::read(&block_on(session.export_safetensors("SmolLM2")).unwrap()).unwrap();
    let tokenizer = own.tokenizer().unwrap();
    let ModelFile { config, weights, frozen, adapter, .. } = own;
    let mut gpt = match frozen {
        Some(frozen) => Gpt::of_frozen(config, weights, frozen),
        None => Gpt::from_flat(config, weights, &Device::cpu()),
    };
    if let Some(adapter) = adapter {
        gpt.put_adapter(adapter.config, adapter.weights);
    }
    (gpt, tokenizer)
}

/// The likeliest continuation, token by token with the KV cache.
fn greedy((gpt, tokenizer): &(Gpt, Tokenizer), prompt: &[u32], tokens: usize) -> Vec<u32> {
    let ends = &tokenizer.roles().ends;
    let mut generation = Generation::new(gpt, prompt, GREEDY, tokens, tokenizer.start(), ends, true).unwrap();
    let mut ids = Vec::new();
    while let Some(id) = block_on(generation.next(gpt)).unwrap() {
        ids.push(id);
    }
    ids
}

/// The likeliest answer, as the page shows it.
fn answer(session: &mut Session, chat: &[Message], max_tokens: usize) -> String {
    let options = GenerateOptions { max_tokens, sampling: GREEDY, ..GenerateOptions::default() };
    let left_out = session.begin_chat(chat, options).unwrap();
    assert_eq!(left_out, LeftOut::default());
    let mut answer = String::new();
    while let Some(text) = block_on(session.next_token()).unwrap() {
        answer += &text;
    }
    answer + &session.end_generation()
}

/// Writes what the crate says of an opened model.
fn write_answers(name: &str, mut session: Session) {
    let Asked { texts, prompts, chats, tokens, .. } = asked();
    let summary = session.model_summary().unwrap();
    let encode = |text: &String| session.encode(text).unwrap();
    let (ids, prompts): (Vec<_>, Vec<_>) = (texts.iter().map(encode).collect(), prompts.iter().map(encode).collect());
    let model = model(&session);
    // `[tokens of the first prompt, vocabulary]`
    let logits = block_on(ops::read(model.0.logits(&model.0.ids(prompts[0].clone()).unwrap()))).unwrap();
    fs::write(folder().join(format!("{name}.logits")), bytemuck::cast_slice::<f32, u8>(&logits)).unwrap();
    let written: Vec<_> = prompts.iter().map(|prompt: &Vec<u32>| greedy(&model, prompt, tokens)).collect();
    let mut encoder = ChatEncoder::new(&model.1).unwrap().unwrap();
    let asking: Vec<_> = chats.iter().map(|chat| encoder.ids(chat, true).unwrap()).collect();
    let whole: Vec<_> = chats.iter().map(|chat| encoder.ids(chat, false).unwrap()).collect();
    let answers: Vec<_> = chats.iter().map(|chat| answer(&mut session, chat, tokens)).collect();
    write(
        &format!("{name}.json"),
        &json!({
            "summary": summary, "ids": ids, "prompts": prompts, "greedy": written, "asking": asking, "whole": whole,
            "answers": answers,
        }),
    );
}

#[test]
#[ignore = "run by the check pretrained: writes what prove.py reads"]
fn write_answers_of_the_gguf_file() {
    write_answers("gguf", opened_gguf(fs::read(asked().gguf).unwrap()));
}

#[test]
#[ignore = "run by the check pretrained: writes what prove.py reads"]
fn write_answers_of_the_folder() {
    write_answers("folder", opened(&files_in(&folder().join("reference"))));
}

/// Rank 8 on the four matrices of attention.
fn adapter() -> Option<LoraConfig> {
    let targets = Targets { attention: true, attention_out: true, ..Targets::NONE };
    Some(LoraConfig { rank: 8, alpha: 16.0, targets })
}

fn add_text(session: &mut Session, text: &str) {
    session.open_file("lesson.txt", text.len() as u64, None);
    session.push_bytes(text.as_bytes()).unwrap();
    session.close_file().unwrap();
}

fn unpack(zip: &[u8], folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for (name, bytes) in unzip(zip) {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Teaches the model a text with an adapter, and writes all that PEFT needs to do the same, and the ways of leaving.
#[test]
#[ignore = "run by the check pretrained: writes what prove.py reads"]
fn write_what_an_adapter_learns() {
    let Asked { lesson, begins, tokens, .. } = asked();
    let folder = folder();
    let mut session = opened(&files_in(&folder.join("reference")));
    add_text(&mut session, &lesson);
    let run = TrainConfig {
        steps: 50,
        batch_size: 2,
        window_length: 64,
        // At 2e-3 PyTorch itself has other losses in 32 bits than in 64.
        learning_rate: 3e-4,
        warmup_steps: 5,
        eval_every: 1000,
        lora: adapter(),
        ..TrainConfig::default()
    };
    session.begin_training(run.clone()).unwrap();
    unpack(&block_on(session.export_adapter("reference")).unwrap(), &folder.join("before"));
    let vocabulary = session.model_summary().unwrap().vocabulary;
    let data = Dataset::from_bytes(&session.corpus_tokens().unwrap()).unwrap();
    let batches: Vec<_> = (0..run.steps)
        .map(|step| {
            let batch = data.batch(run.batch_size, run.window_length, run.seed, step, 0, vocabulary).unwrap();
            json!({ "inputs": batch.inputs.as_slice(), "targets": batch.targets.as_slice() })
        })
        .collect();
    (0..run.steps).for_each(|_| session.step().unwrap());
    let records = block_on(session.read_losses()).unwrap();
    write("learned.json", &json!({ "run": run, "batches": batches, "steps": records }));

    let left = folder.join("left");
    unpack(&block_on(session.export_adapter("reference")).unwrap(), &left.join("adapter"));
    unpack(&block_on(session.export_hugging_face("SmolLM2 lesson", "2026-11-30")).unwrap(), &left.join("folder"));
    let prompt = session.encode(&begins).unwrap();
    let written = greedy(&model(&session), &prompt, tokens);
    let mut again = json!({});
    for (name, precision) in [("f16", GgufPrecision::F16), ("q8_0", GgufPrecision::Q8)] {
        let gguf = block_on(session.export_gguf("SmolLM2 lesson", precision)).unwrap();
        fs::write(left.join(format!("{name}.gguf")), &gguf).unwrap();
        again[name] = json!(greedy(&model(&opened_gguf(gguf)), &prompt, tokens));
    }
    write("left.json", &json!({ "prompt": prompt, "greedy": written, "again": again }));
}

/// The most memory that this process has had, in MiB.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Prints the tokens that an adapter learns from in a second: `LORITO_WINDOWS` windows of 128 tokens in each of
/// `LORITO_STEPS` steps.
#[test]
#[ignore = "run by measure.py"]
fn measure_an_adapter() {
    let number = |name: &str| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let (windows, steps) = (number("LORITO_WINDOWS"), number("LORITO_STEPS"));
    // The files are dropped before the model is trained, as the page holds none of them.
    let mut session = opened(&files_in(&folder().join("reference")));
    let opened = most_memory();
    add_text(&mut session, &asked().lesson);
    let run = TrainConfig {
        steps: steps as u64,
        batch_size: windows,
        window_length: 128,
        lora: adapter(),
        ..TrainConfig::default()
    };
    session.begin_training(run).unwrap();
    session.step().unwrap();
    block_on(session.read_losses()).unwrap();
    let (cpu, clock) = (ProcessTime::now(), Instant::now());
    (1..steps).for_each(|_| session.step().unwrap());
    let records = block_on(session.read_losses()).unwrap();
    let tokens = (windows * 128 * (steps - 1)) as f64;
    let [cpu, wall] = [cpu.elapsed(), clock.elapsed()].map(|time| tokens / time.as_secs_f64());
    let (memory, loss) = (most_memory(), records.last().unwrap().loss);
    println!("\nmeasured {}", json!({ "cpu": cpu, "wall": wall, "opened": opened, "memory": memory, "loss": loss }));
}

/// Most bytes that training an adapter on the opened model may hold at once, with its checkpoint.
const MOST_BYTES: usize = 700_000_000;

#[test]
#[ignore = "run by the check pretrained: needs the model"]
fn memory_of_an_adapter_s_training_on_the_gguf_file() {
    let file = fs::read(asked().gguf).unwrap();
    let text = "The fox said that the owl had seen the moon. The owl said nothing at all.\n".repeat(400);
    let (session, opening) = peak(|| opened_gguf(file));
    let config = session.model_summary().unwrap().config;
    let targets = Targets { attention: true, attention_out: true, mlp: false, mlp_out: false };
    let run = TrainConfig {
        steps: 4,
        batch_size: 4,
        window_length: 128,
        shards: 0,
        lora: Some(LoraConfig { rank: 8, alpha: 16.0, targets }),
        ..TrainConfig::default()
    };
    let mut session = session;
    let (estimate, prepared) = peak(|| {
        session.open_file("fox.txt", 0, None);
        session.push_bytes(text.as_bytes()).unwrap();
        session.close_file().unwrap();
        let estimate = session.plan(&config, &run).unwrap().memory;
        session.begin_training(run).unwrap();
        estimate
    });
    let ((), steps) = peak(|| (0..2).for_each(|_| session.step().unwrap()));
    let (size, saved) = peak(|| block_on(session.checkpoint()).unwrap().len());
    let records = block_on(session.read_losses()).unwrap();
    let losses: Vec<f32> = records.iter().map(|record| record.loss).collect();
    let (_, sampled) = peak(|| {
        session.begin_generation("The fox", GenerateOptions { max_tokens: 3, ..GenerateOptions::default() }).unwrap();
        while block_on(session.next_token()).unwrap().is_some() {}
    });
    let training = prepared + steps.max(saved).max(sampled);
    println!(
        "opening {opening}, preparing {prepared}, steps {steps}, a checkpoint {saved} of {size}, writing {sampled}"
    );
    println!("estimate {estimate:?}, losses {losses:?}");
    let held = opening.max(estimate.weights as usize + training);
    assert!(held < MOST_BYTES && held as u64 <= estimate.total() * 11 / 10, "{held} bytes, {estimate:?}");
}
