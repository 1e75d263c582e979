//! What an adapter changes: the model generates as before it was adapted, and both losses on the held-back text are
//! measured.

use futures_lite::future::block_on;
use lorito::{
    chat::{Message, Role},
    config::{LoraConfig, ModelConfig, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    error::Error,
    generate::Sampling,
    ops::Device,
    session::{GenerateOptions, Session},
    tokenizer::Kind,
    train::AdapterLosses,
};

const TEXT: &str = "El faro guiaba a los barcos. La farera subía cada noche los cien escalones.\n";
const OTHER: &str = "El mar callaba y la niebla no se iba; nadie preguntó por qué.\n";

fn add(session: &mut Session, text: &str) {
    session.open_file("texto.txt", 0, None);
    session.push_bytes(text.repeat(60).as_bytes()).unwrap();
    session.close_file().unwrap();
}

/// A model that has learned one text, with another text loaded.
fn session() -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    add(&mut session, &format!("{TEXT}{OTHER}"));
    session.train_tokenizer(Kind::Char, None).unwrap();
    session.clear_text();
    add(&mut session, TEXT);
    let variant = Variant::GPT2;
    let config = ModelConfig { vocabulary: 0, context: 24, layers: 2, heads: 2, width: 32, dropout: 0.0, variant };
    session.create_model(config, 7).unwrap();
    train(&mut session, None);
    session.clear_text();
    add(&mut session, OTHER);
    session
}

/// The validation losses before and after the run.
fn train(session: &mut Session, lora: Option<LoraConfig>) -> [f32; 2] {
    let run =
        TrainConfig { steps: 40, batch_size: 4, warmup_steps: 2, learning_rate: 1e-2, lora, ..TrainConfig::default() };
    session.begin_training(run).unwrap();
    let before = evaluate(session);
    (0..40).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap();
    [before, evaluate(session)]
}

fn evaluate(session: &mut Session) -> f32 {
    (0..session.status().unwrap().evaluation_batches).for_each(|batch| session.evaluate_batch(batch).unwrap());
    block_on(session.finish_evaluation()).unwrap().validation_loss.unwrap()
}

fn compare(session: &mut Session) -> Option<AdapterLosses> {
    let batches = session.begin_comparison().unwrap();
    (0..batches).for_each(|_| session.compare_batch().unwrap());
    block_on(session.finish_comparison()).unwrap()
}

fn finish(session: &mut Session) -> String {
    let mut text = String::new();
    while let Some(piece) = block_on(session.next_token()).unwrap() {
        text += &piece;
    }
    text + &session.end_generation()
}

fn options(adapter: bool, cache: bool) -> GenerateOptions {
    let sampling = Sampling { temperature: 0.0, ..Sampling::default() };
    GenerateOptions { max_tokens: 60, sampling, cache, adapter }
}

fn write(session: &mut Session, options: GenerateOptions) -> String {
    session.begin_generation("El ", options).unwrap();
    finish(session)
}

fn converse(session: &mut Session, options: GenerateOptions) -> String {
    session.begin_chat(&[Message { role: Role::User, content: "El mar".into() }], options).unwrap();
    finish(session)
}

#[test]
fn without_its_adapter_a_model_generates_what_it_did_before() {
    let mut session = session();
    let before = [write(&mut session, options(true, true)), converse(&mut session, options(true, true))];
    // Without an adapter the option changes nothing.
    assert_eq!(write(&mut session, options(false, true)), before[0]);
    train(&mut session, Some(LoraConfig::default()));
    let with = [write(&mut session, options(true, true)), converse(&mut session, options(true, true))];
    let without = [write(&mut session, options(false, true)), converse(&mut session, options(false, true))];
    assert_eq!(without, before);
    assert_ne!(with[0], before[0]);
    for (adapter, text) in [(false, &before[0]), (true, &with[0])] {
        assert_eq!(&write(&mut session, options(adapter, false)), text, "without the KV cache");
    }
    // The adapter is still there.
    session.merge_adapter().unwrap();
    assert_eq!(write(&mut session, options(true, true)), with[0]);
}

#[test]
fn the_losses_are_those_of_the_runs_evaluations() {
    let mut session = session();
    assert_eq!(session.begin_comparison(), Err(Error::NoAdapter));
    let [without, with] = train(&mut session, Some(LoraConfig::default()));
    assert!(with < without - 0.3, "{without} {with}");
    assert_eq!(compare(&mut session), Some(AdapterLosses { without, with }));
    assert_eq!(session.begin_comparison(), Ok(0), "nothing has changed");
    assert_eq!(compare(&mut session), Some(AdapterLosses { without, with }));
    let evaluations = session.history().unwrap().evaluations.len();
    // A second run with the same adapter begins where the first one ended, and the model without it stays what it was.
    let [begin, with_more] = train(&mut session, Some(LoraConfig::default()));
    assert_eq!(begin, with);
    assert_eq!(compare(&mut session), Some(AdapterLosses { without, with: with_more }));
    assert_eq!(session.history().unwrap().evaluations.len(), evaluations + 2);
}

#[test]
fn an_opened_model_is_measured_on_the_loaded_text_and_no_other() {
    let mut trained = session();
    let [without, with] = train(&mut trained, Some(LoraConfig::default()));
    let file = block_on(trained.export_safetensors("m")).unwrap();
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    session.import_model(&file).unwrap();
    assert_eq!(compare(&mut session), None, "there is no text");
    add(&mut session, OTHER);
    let found = compare(&mut session).unwrap();
    // The windows are fewer: there has been no run here.
    assert!((found.without - without).abs() < 0.2 && (found.with - with).abs() < 0.2, "{found:?} {without} {with}");
    // A comparison during which the model changes has no result.
    let batches = session.begin_comparison().unwrap();
    (0..batches).for_each(|_| session.compare_batch().unwrap());
    train(&mut session, Some(LoraConfig::default()));
    assert_eq!(block_on(session.finish_comparison()).unwrap(), None);
}
