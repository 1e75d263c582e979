//! A user's whole session from text to file and back, without a browser.

use futures_lite::future::block_on;
use lorito::{
    config::{LoraConfig, ModelConfig, TrainConfig, Variant, preset},
    corpus::Budget,
    device::{CPU_LIMITS, Engine},
    error::Error,
    generate::Sampling,
    ops::Device,
    session::{GenerateOptions, Session},
    tokenizer::Kind,
};

const TEXT: &str = "Un loro verde contaba cuentos. La niña preguntaba; el loro respondía: «¡otra vez!»\n";

fn session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

fn with_text() -> Session {
    let mut session = session();
    session.open_file("cuento.txt", 0, None);
    session.push_bytes(TEXT.repeat(40).as_bytes()).unwrap();
    session.close_file().unwrap();
    session
}

fn config() -> ModelConfig {
    ModelConfig { vocabulary: 0, context: 16, layers: 2, heads: 2, width: 32, dropout: 0.0, variant: Variant::GPT2 }
}

fn run() -> TrainConfig {
    TrainConfig { steps: 8, batch_size: 4, warmup_steps: 2, learning_rate: 3e-3, ..TrainConfig::default() }
}

fn with_model() -> Session {
    let mut session = with_text();
    session.train_tokenizer(Kind::Char, None).unwrap();
    session.create_model(config(), 7).unwrap();
    session
}

fn losses(session: &mut Session, steps: usize) -> Vec<f32> {
    (0..steps).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap().iter().map(|record| record.loss).collect()
}

fn write(session: &mut Session, prompt: &str, temperature: f32) -> String {
    let sampling = Sampling { temperature, ..Sampling::default() };
    let options = GenerateOptions { max_tokens: 40, sampling, ..GenerateOptions::default() };
    session.begin_generation(prompt, options).unwrap();
    let mut text = String::new();
    while let Some(piece) = block_on(session.next_token()).unwrap() {
        text += &piece;
    }
    text + &session.end_generation()
}

#[test]
fn a_model_trained_on_a_text_generates_text() {
    let mut session = with_text();
    let tokens = session.train_tokenizer(Kind::Bpe, Some(300)).unwrap();
    assert!(tokens.tokens_per_character < 1.0 && tokens.validation_tokens > 0);
    session.create_model(config(), 7).unwrap();
    session.begin_training(run()).unwrap();
    let losses = losses(&mut session, 8);
    assert!(losses[7] < losses[0]);
    assert_eq!(write(&mut session, "Un loro", 0.0), write(&mut session, "Un loro", 0.0));
}

#[test]
fn a_run_restored_from_its_checkpoint_continues_exactly() {
    // Dropout masks follow from seed and step: a restored run must use the same ones as an uninterrupted run.
    let with_dropout = || {
        let mut session = with_model();
        session.create_model(ModelConfig { dropout: 0.1, ..config() }, 7).unwrap();
        session
    };
    let mut whole = with_dropout();
    whole.begin_training(run()).unwrap();
    let expected = losses(&mut whole, 8);

    let mut first = with_dropout();
    first.begin_training(run()).unwrap();
    let mut found = losses(&mut first, 3);
    let checkpoint = block_on(first.checkpoint()).unwrap();
    let tokens = first.corpus_tokens().unwrap();

    // A new page: no text, no tokenizer, no model.
    let mut second = session();
    let status = second.restore_run(&checkpoint, &tokens).unwrap();
    assert_eq!((status.step, status.end_step), (3, 8));
    found.extend(losses(&mut second, 5));
    assert_eq!(expected, found);
    assert_eq!(second.history().unwrap().steps.len(), 8);
    assert_eq!(write(&mut whole, "El", 0.0), write(&mut second, "El", 0.0));
}

#[test]
fn an_exported_model_opens_in_another_session_and_can_be_trained_further() {
    let mut session = with_model();
    session.begin_training(run()).unwrap();
    losses(&mut session, 8);
    let ids = session.encode("La niña").unwrap();
    let logits = block_on(session.logits(&ids)).unwrap();
    let file = block_on(session.export_safetensors("loro")).unwrap();

    let mut other = with_text();
    let summary = other.import_model(&file).unwrap();
    assert_eq!(summary.vocabulary, logits.len());
    assert_eq!(block_on(other.logits(&ids)).unwrap(), logits);
    let status = other.begin_training(run()).unwrap();
    assert_eq!((status.start_step, status.end_step), (8, 16));
    assert_eq!(losses(&mut other, 8).len(), 8);
    assert_eq!(other.history().unwrap().steps.len(), 16);
}

#[test]
fn a_second_run_continues_where_the_first_ended() {
    let mut session = with_model();
    session.begin_training(run()).unwrap();
    let first = losses(&mut session, 8);
    let status = session.begin_training(run()).unwrap();
    assert_eq!((status.step, status.end_step), (8, 16));
    let second = losses(&mut session, 8);
    assert!(second[7] < first[7]);
}

#[test]
fn another_text_or_tokenizer_leaves_the_model_unchanged() {
    let mut session = with_model();
    session.begin_training(run()).unwrap();
    losses(&mut session, 2);
    let text = write(&mut session, "El loro", 0.0);
    session.clear_text();
    session.open_file("otro.txt", 0, None);
    session.push_bytes("abc ".repeat(200).as_bytes()).unwrap();
    session.close_file().unwrap();
    session.train_tokenizer(Kind::Char, None).unwrap();
    assert_eq!(write(&mut session, "El loro", 0.0), text);
    losses(&mut session, 1);
    assert_eq!(session.begin_training(run()), Err(Error::TokenizerChanged));
}

#[test]
fn unreadable_files_leave_the_text_and_the_model_unchanged() {
    let mut session = with_model();
    let before = session.text_summary();
    session.open_file("leer.txt", 0, None);
    assert!(matches!(session.close_file(), Err(Error::FileEmpty { .. })));
    session.open_file("bild.png", 0, None);
    let pushed = session.push_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    assert!(pushed.is_err() || session.close_file().is_err());
    assert_eq!(session.text_summary(), before);

    assert!(session.import_model(b"no model").is_err());
    assert!(session.restore_run(&[0; 100], &[]).is_err());
    assert!(session.model_summary().is_some());
}

#[test]
fn a_damaged_run_leaves_the_session_unchanged() {
    let mut other = with_model();
    other.create_model(ModelConfig { layers: 1, ..config() }, 3).unwrap();
    other.begin_training(run()).unwrap();
    losses(&mut other, 2);
    let (checkpoint, tokens) = (block_on(other.checkpoint()).unwrap(), other.corpus_tokens().unwrap());
    let model = block_on(other.export_safetensors("m")).unwrap();

    let mut session = with_model();
    session.begin_training(run()).unwrap();
    losses(&mut session, 2);
    let ids = session.encode("La niña").unwrap();
    let before = (session.model_summary(), session.history().unwrap().clone(), session.corpus_tokens().unwrap());
    let logits = block_on(session.logits(&ids)).unwrap();
    // Ids outside the model's vocabulary; a text that is shorter than one window; a changed bit of a weight.
    let strange: Vec<u8> = tokens[..24].iter().copied().chain(tokens[24..].iter().map(|_| 0xee)).collect();
    let short = [4u64, 0, 0].into_iter().flat_map(u64::to_le_bytes).chain([1, 0, 2, 0, 3, 0, 4, 0]).collect();
    let mut bit = checkpoint.clone();
    *bit.last_mut().unwrap() ^= 1;
    for (checkpoint, tokens, code) in [
        (&checkpoint, &tokens[..tokens.len() - 7].to_vec(), "checkpoint-damaged"),
        (&checkpoint, &Vec::new(), "checkpoint-damaged"),
        (&checkpoint, &strange, "token-out-of-range"),
        (&checkpoint, &short, "text-too-short"),
        (&checkpoint[..checkpoint.len() - 7].to_vec(), &tokens, "file-truncated"),
        (&bit, &tokens, "checkpoint-damaged"),
        (&model, &tokens, "checkpoint-damaged"), // a model is not a run
    ] {
        assert_eq!(session.restore_run(checkpoint, tokens).unwrap_err().code(), code);
        let after = (session.model_summary(), session.history().unwrap().clone(), session.corpus_tokens().unwrap());
        assert_eq!(after, before, "{code}");
        assert_eq!(block_on(session.logits(&ids)).unwrap(), logits, "{code}");
    }
    // Training continues as if nothing had happened.
    let mut undisturbed = with_model();
    undisturbed.begin_training(run()).unwrap();
    losses(&mut undisturbed, 2);
    assert_eq!(losses(&mut session, 3), losses(&mut undisturbed, 3));
    session.restore_run(&checkpoint, &tokens).unwrap();
    assert_eq!(session.model_summary().unwrap().config.layers, 1);
}

#[test]
fn a_model_that_was_opened_is_written_so_that_it_opens_again() {
    let mut session = with_model();
    session.begin_training(run()).unwrap();
    losses(&mut session, 8);
    let mut file = block_on(session.export_safetensors("m")).unwrap();
    for _ in 0..2 {
        session.import_model(&file).unwrap();
        assert_eq!(session.status().unwrap().step, 8);
        file = block_on(session.export_safetensors("m")).unwrap();
    }
    // The same after an adapter was merged.
    session.begin_training(TrainConfig { lora: Some(LoraConfig::default()), ..run() }).unwrap();
    losses(&mut session, 8);
    session.merge_adapter().unwrap();
    let file = block_on(session.export_safetensors("m")).unwrap();
    session.import_model(&file).unwrap();
    assert_eq!(session.status().unwrap().step, 16);
    assert_eq!(session.history().unwrap().steps.len(), 16);
}

#[test]
fn non_finite_weights_are_not_saved_as_a_checkpoint() {
    let mut session = with_model();
    let ruinous = TrainConfig { learning_rate: 10.0, weight_decay: 10.0, grad_clip: 0.0, warmup_steps: 0, ..run() };
    session.begin_training(TrainConfig { steps: 300, ..ruinous }).unwrap();
    (0..300).for_each(|_| session.step().unwrap());
    assert!(matches!(block_on(session.checkpoint()), Err(Error::Diverged { step: 300, .. })));
    assert!(matches!(block_on(session.export_safetensors("m")), Err(Error::WeightsNotFinite { .. })));
}

#[test]
fn the_error_of_each_step_names_what_is_missing() {
    let mut empty = session();
    assert_eq!(empty.train_tokenizer(Kind::Char, None), Err(Error::NoText));
    assert_eq!(empty.create_model(config(), 1), Err(Error::NoTokenizer));
    assert_eq!(empty.begin_training(run()), Err(Error::NoModel));
    assert_eq!(empty.begin_generation("a", GenerateOptions::default()), Err(Error::NoModel));
    assert_eq!(empty.encode("a"), Err(Error::NoTokenizer));

    let mut short = session();
    short.open_file("corto.txt", 0, None);
    short.push_bytes(b"hola, mundo").unwrap();
    short.close_file().unwrap();
    short.train_tokenizer(Kind::Char, None).unwrap();
    short.create_model(config(), 1).unwrap();
    assert!(matches!(short.begin_training(run()), Err(Error::TextTooShort { needed: 17, .. })));
}

#[test]
fn a_plan_has_the_costs_and_refuses_models_that_do_not_fit() {
    let mut session = with_model();
    let small = preset("shakespeare-small", 66).unwrap();
    let plan = session.plan(&small.model, &small.train).unwrap();
    assert_eq!(plan.parameters, small.model.parameters());
    assert_eq!(plan.parts, small.model.architecture().parts());
    assert_eq!(plan.trained_parameters, plan.parameters);
    assert_eq!(plan.train_tokens, 2000 * 12 * 64);
    assert!(plan.seconds > 0.0 && plan.epochs > 1.0);
    let lora = LoraConfig { rank: 4, ..LoraConfig::default() };
    let adapted = session.plan(&small.model, &TrainConfig { lora: Some(lora), ..small.train.clone() }).unwrap();
    assert_eq!(adapted.trained_parameters, lora.parameters(&small.model).0);
    let huge = ModelConfig { width: 4096, layers: 96, heads: 32, ..small.model };
    assert!(matches!(session.plan(&huge, &small.train), Err(Error::ModelTooLarge { nearest: Some(_), .. })));
}

#[test]
fn a_text_beyond_the_budget_is_refused_before_it_is_read_and_the_others_stay() {
    let mut session = session();
    // A text of 10,000 bytes takes 30,000 with its tokens.
    session.set_budget(Budget { memory: 100_000, texts: 70_000 });
    let add = |session: &mut Session, name: &str, text: &str| {
        session.open_file(name, text.len() as u64, None);
        for (pushed, chunk) in text.as_bytes().chunks(5000).enumerate() {
            session.push_bytes(chunk).map_err(|error| (pushed, error))?;
        }
        session.close_file().map_err(|error| (usize::MAX, error))
    };
    let text = "ten bytes\n".repeat(1000);
    add(&mut session, "one.txt", &text).unwrap();
    add(&mut session, "two.txt", &text).unwrap();
    let (pushed, error) = add(&mut session, "three.txt", &text).unwrap_err();
    assert_eq!(pushed, 0, "refused with its first bytes");
    let Error::FileTooLarge { name, bytes, limit } = error else { panic!("{error:?}") };
    assert_eq!((name.as_str(), bytes), ("three.txt", 10_000));
    assert!((1..5_000).contains(&limit), "{limit}");
    let summary = session.text_summary();
    assert_eq!((summary.sources.len(), summary.bytes), (2, 20_000));
    // Texts that still fit are added, and can be used.
    add(&mut session, "four.txt", &text[..2000]).unwrap();
    session.train_tokenizer(Kind::Char, None).unwrap();
    // A model on the CPU can use the memory that the texts leave.
    let error = session.create_model(ModelConfig { width: 64, ..config() }, 7).unwrap_err();
    assert!(matches!(error, Error::ModelTooLarge { limit: ..40_000, .. }), "{error:?}");
    session.clear_text();
    add(&mut session, "three.txt", &text).unwrap();
}

#[test]
fn the_budget_counts_documents_in_addition_to_their_text() {
    let mut session = session();
    session.set_budget(Budget { memory: 200_000, texts: 100_000 });
    let rows = "\"a\"\n".repeat(4000);
    session.open_file("rows.jsonl", rows.len() as u64, None);
    session.push_bytes(rows.as_bytes()).unwrap();
    let error = session.close_file().unwrap_err();
    let Error::TooManyDocuments { documents: 4000, most, .. } = error else { panic!("{error:?}") };
    assert!((1000..2000).contains(&most), "{most}");
    assert!(session.text_summary().sources.is_empty());
}

#[test]
fn unknown_characters_are_those_of_the_models_own_tokenizer() {
    let mut session = with_model();
    assert_eq!(session.unknown_to_model("¿niña?").unwrap(), "?¿");
    assert_eq!(session.unknown_to_model("nin\u{303}a").unwrap(), "");
    session.train_tokenizer(Kind::Byte, None).unwrap();
    assert_eq!(session.unknown_to_model("¿").unwrap(), "¿");
}
