//! Tests the search for copied text during training, with an opened model, and without the training text.

use futures_lite::future::block_on;
use lorito::{
    config::{ModelConfig, TrainConfig, Variant},
    copied::{Copied, Passage},
    device::{CPU_LIMITS, Engine},
    ops::Device,
    session::Session,
    tokenizer::Kind,
    train::{History, RunEvent},
};

/// The text to memorise; `HELD_BACK` follows it as validation data.
const LEARNED: &str = "El loro verde contaba cuentos a la niña de la casa azul, y ella respondía riendo: ¡otra vez! ";
const HELD_BACK: &str = "Nadie ha leído jamás lo que aquí se guarda con tanto celo para después.";

fn open_session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

fn load(session: &mut Session) {
    session.open_file("loro.txt", 0, None);
    session.push_bytes((LEARNED.repeat(7) + HELD_BACK).as_bytes()).unwrap();
    session.close_file().unwrap();
}

fn session() -> Session {
    let mut session = open_session();
    load(&mut session);
    session.train_tokenizer(Kind::Char, None).unwrap();
    let variant = Variant::GPT2;
    let config = ModelConfig { vocabulary: 0, context: 32, layers: 2, heads: 4, width: 64, dropout: 0.0, variant };
    session.create_model(config, 7).unwrap();
    session
}

/// Trains until the model has memorised the text, and returns the step and the copied share of each sample.
fn train(session: &mut Session) -> Vec<(u64, Option<f64>)> {
    let (steps, eval_every) = (240, 80);
    let rate = TrainConfig { learning_rate: 1e-2, warmup_steps: 10, ..TrainConfig::default() };
    session.begin_training(TrainConfig { steps, eval_every, batch_size: 8, ..rate }).unwrap();
    run(session)
}

fn run(session: &mut Session) -> Vec<(u64, Option<f64>)> {
    block_on(session.start_run(|| 0.0)).unwrap();
    let mut samples = Vec::new();
    loop {
        for event in block_on(session.tick(|| 0.0)).unwrap() {
            match event {
                RunEvent::Sample { step, copied, .. } => samples.push((step, copied)),
                RunEvent::Finished { .. } => return samples,
                _ => {}
            }
        }
    }
}

fn copied(session: &mut Session, written: &str) -> Option<Copied> {
    let mut search = session.find_copied(written).unwrap()?;
    while search.read() {}
    Some(search.result())
}

fn nearest(session: &mut Session, text: &str) -> Option<Vec<Passage>> {
    let mut search = session.find_nearest(text).unwrap()?;
    while search.read() {}
    Some(search.result())
}

fn shares(history: &History) -> Vec<Option<f64>> {
    history.samples.iter().map(|sample| sample.copied).collect()
}

#[test]
fn copies_of_a_memorised_text_are_found() {
    let mut session = session();
    let samples = train(&mut session);
    assert_eq!(samples.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 80, 160, 240]);
    // Samples before the first step are not searched.
    assert_eq!(samples[0].1, None);
    let last = samples[3].1.unwrap();
    assert!(last > 0.9, "{samples:?}");
    let history = session.history().unwrap().clone();
    assert_eq!(shares(&history), samples.iter().map(|(_, share)| *share).collect::<Vec<_>>());
    // The event has the same share as a search on request.
    assert_eq!(copied(&mut session, &history.samples[3].text).unwrap().share, last);

    // The archive stores its files uncompressed.
    let archive = block_on(session.export_hugging_face("loro", "2026-11-29")).unwrap();
    let card = String::from_utf8_lossy(&archive);
    let row = format!(
        "| Copied from the training text by the last sample, in runs of 8 words or 40 characters | {:.1} % |",
        100.0 * last
    );
    assert!(card.contains(&row), "{row}");

    // Validation data is not learned, so it cannot be copied.
    let written = "El loro verde contaba cuentos a la niña. Nadie ha leído jamás lo que aquí se guarda con tanto celo";
    let Copied { pieces, .. } = copied(&mut session, written).unwrap();
    assert_eq!(pieces.len(), 2);
    assert_eq!(pieces[0].text, "El loro verde contaba cuentos a la niña");
    assert_eq!(pieces[0].passage.as_ref().unwrap().source.as_deref(), Some("loro.txt"));
    assert_eq!(pieces[1].passage, None);
    let near = nearest(&mut session, "Una niña de otra casa azul contaba cuentos.").unwrap();
    // A passage ends with a whole word; the next ones follow it.
    assert!(format!("{}{}", near[0].text, near[0].after).contains("casa azul"), "{near:?}");
}

#[test]
fn a_restored_run_finds_the_same_copies_without_its_text() {
    let mut first = session();
    let seen = train(&mut first);
    let (checkpoint, tokens) = (block_on(first.checkpoint()).unwrap(), first.corpus_tokens().unwrap());
    let mut second = open_session();
    second.restore_run(&checkpoint, &tokens).unwrap();
    assert_eq!(shares(second.history().unwrap()), shares(first.history().unwrap()));
    let written = "y El loro verde contaba cuentos a la niña, que se ríe";
    let (before, after) = (copied(&mut first, written).unwrap(), copied(&mut second, written).unwrap());
    assert_eq!(before.share, after.share);
    let passage = after.pieces.iter().find_map(|piece| piece.passage.as_ref()).unwrap();
    // The run does not store the file's name; it is known again when the text is loaded.
    assert_eq!(passage.source, None);
    load(&mut second);
    second.tokenizer_summary().unwrap();
    assert_eq!(copied(&mut second, written).unwrap(), before);

    // Another loaded text changes nothing, because the model was not trained on it.
    second.clear_text();
    second.open_file("otro.txt", 0, None);
    second.push_bytes("Otro texto, del que el modelo no sabe nada, está cargado ahora aquí.".as_bytes()).unwrap();
    second.close_file().unwrap();
    assert_eq!(copied(&mut second, written).unwrap().share, before.share);
    assert_eq!(copied(&mut second, "Otro texto, del que el modelo no sabe nada, está cargado").unwrap().share, 0.0);
    assert!(seen.iter().any(|(_, share)| share.is_some()));
}

#[test]
fn a_search_without_a_text_finds_nothing() {
    let mut session = open_session();
    assert!(copied(&mut session, LEARNED).is_none());
    assert!(nearest(&mut session, LEARNED).is_none());
    // Before a run the loaded text is searched.
    load(&mut session);
    session.train_tokenizer(Kind::Bpe, Some(300)).unwrap();
    assert_eq!(copied(&mut session, LEARNED).unwrap().share, 1.0);
    assert_eq!(copied(&mut session, HELD_BACK).unwrap().share, 0.0);
}

#[test]
fn a_run_resumed_from_a_checkpoint_has_the_same_samples_and_shares() {
    let mut whole = session();
    let (steps, eval_every, batch_size) = (60, 20, 4);
    let config = TrainConfig { steps, eval_every, batch_size, learning_rate: 1e-2, ..TrainConfig::default() };
    whole.begin_training(config.clone()).unwrap();
    run(&mut whole);
    let mut first = session();
    first.begin_training(config).unwrap();
    block_on(first.start_run(|| 0.0)).unwrap();
    while first.history().unwrap().samples.len() < 3 {
        block_on(first.tick(|| 0.0)).unwrap();
    }
    block_on(first.flush_run(|| 0.0)).unwrap();
    let (checkpoint, tokens) = (block_on(first.checkpoint()).unwrap(), first.corpus_tokens().unwrap());
    let mut second = open_session();
    second.restore_run(&checkpoint, &tokens).unwrap();
    run(&mut second);
    assert_eq!(second.history().unwrap().samples, whole.history().unwrap().samples);
    assert!(block_on(second.checkpoint()).unwrap() == block_on(whole.checkpoint()).unwrap());
}
