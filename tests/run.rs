//! A whole run, advanced in ticks like on the page.

use std::cell::Cell;

use futures_lite::future::block_on;
use lorito::{
    config::{Decay, ModelConfig, Order, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    error::{Error, Result},
    generate::Sampling,
    ops::Device,
    session::{GenerateOptions, Session},
    tokenizer::Kind,
    train::{RunEvent, RunResult, Sample},
};

fn session() -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    session.open_file("cuento.txt", 0, None);
    let text = "Un loro verde contaba cuentos. La niña preguntaba; el loro respondía: «¡otra vez!»\n";
    session.push_bytes(text.repeat(40).as_bytes()).unwrap();
    session.close_file().unwrap();
    session.train_tokenizer(Kind::Char, None).unwrap();
    let variant = Variant::GPT2;
    let config = ModelConfig { vocabulary: 0, context: 16, layers: 2, heads: 2, width: 32, dropout: 0.1, variant };
    session.create_model(config, 7).unwrap();
    session
}

fn config() -> TrainConfig {
    let (steps, eval_every) = (8, 4);
    TrainConfig { steps, eval_every, batch_size: 4, warmup_steps: 2, learning_rate: 3e-3, ..TrainConfig::default() }
}

/// A clock that advances by a millisecond each time it is read.
#[derive(Default)]
struct Clock(Cell<f64>);

impl Clock {
    fn read(&self) -> f64 {
        self.0.set(self.0.get() + 0.001);
        self.0.get()
    }
}

/// Ticks until an event matches `last`, and returns all events.
fn events_until(session: &mut Session, clock: &Clock, last: impl Fn(&RunEvent) -> bool) -> Result<Vec<RunEvent>> {
    let mut events = Vec::new();
    loop {
        let new = block_on(session.tick(|| clock.read()))?;
        let ended = new.iter().any(&last);
        events.extend(new);
        if ended {
            return Ok(events);
        }
    }
}

fn is_finished(event: &RunEvent) -> bool {
    matches!(event, RunEvent::Finished { .. })
}

fn begin(session: &mut Session, config: TrainConfig, clock: &Clock) {
    session.begin_training(config).unwrap();
    block_on(session.start_run(|| clock.read())).unwrap();
}

fn name(event: &RunEvent) -> &'static str {
    match event {
        RunEvent::FirstStep => "first step",
        RunEvent::Progress { .. } => "progress",
        RunEvent::Checked { .. } => "checked",
        RunEvent::Evaluation { .. } => "evaluation",
        RunEvent::Sample { .. } => "sample",
        RunEvent::SaveDue => "save",
        RunEvent::Finished { .. } => "finished",
    }
}

#[test]
fn ticks_advance_a_run_to_its_end_and_report_every_step() {
    let mut session = session();
    let clock = Clock::default();
    begin(&mut session, config(), &clock);
    let events = events_until(&mut session, &clock, is_finished).unwrap();
    let names: Vec<_> = events.iter().map(name).filter(|name| *name != "progress").collect();
    let evaluation = ["evaluation", "sample"];
    let expected = [&evaluation[..], &["first step"], &evaluation, &evaluation, &["save", "finished"]].concat();
    assert_eq!(names, expected);

    let history = session.history().unwrap().clone();
    let mut records = Vec::new();
    for event in &events {
        match event {
            RunEvent::Progress { progress } => records.extend(progress.records.iter().copied()),
            RunEvent::Evaluation { evaluation, best } => {
                assert!(history.evaluations.contains(evaluation) && best.is_some());
            }
            RunEvent::Sample { step, text, copied } => {
                let same = Sample { step: *step, text: text.clone(), copied: *copied };
                assert!(history.samples.contains(&same));
            }
            _ => {}
        }
    }
    assert_eq!((records.len(), &records), (8, &history.steps));
    assert_eq!((history.evaluations.len(), history.samples.len()), (3, 3));
    let Some(RunEvent::Finished { result: RunResult { step, train_loss, validation_loss, .. } }) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!((*step, *train_loss), (8, Some(history.steps[7].loss)));
    assert_eq!(*validation_loss, history.evaluations[2].validation_loss);
    // The clock advances by a thousandth per reading, and all of that time counts for the run.
    assert!(history.seconds > 0.01 && history.seconds <= clock.read());
    // The run has ended.
    assert_eq!(block_on(session.tick(|| clock.read())), Err(Error::NoRun));
}

#[test]
fn a_ticked_run_equals_plain_training_steps() {
    let (mut ticked, mut plain) = (session(), session());
    let clock = Clock::default();
    begin(&mut ticked, config(), &clock);
    events_until(&mut ticked, &clock, is_finished).unwrap();
    plain.begin_training(config()).unwrap();
    (0..8).for_each(|_| plain.step().unwrap());
    assert_eq!(block_on(plain.read_losses()).unwrap(), ticked.history().unwrap().steps);
    // The sample equals a generation with the same settings.
    let sampling = Sampling { temperature: 0.8, seed: 1337, ..Sampling::default() };
    plain.begin_generation("", GenerateOptions { max_tokens: 120, sampling, ..GenerateOptions::default() }).unwrap();
    assert_eq!(written(&mut plain), ticked.history().unwrap().samples[2].text);
}

#[test]
fn a_run_with_a_time_fits_its_steps_to_it_once_and_resumes_exactly() {
    // This clock counts as much between the ticks of a sample as in them, which a run takes for no time: half a second.
    let seconds = 12.0;
    let config = TrainConfig {
        steps: 10_000,
        eval_every: 5_000,
        warmup_steps: 30,
        decay: Decay::Linear,
        order: Order::Shuffled,
        time_limit: Some(seconds),
        ..config()
    };
    let (mut whole, clock) = (session(), Clock::default());
    begin(&mut whole, config, &clock);
    let began = clock.read();
    events_until(&mut whole, &clock, |event| matches!(event, RunEvent::SaveDue)).unwrap();
    assert_eq!(whole.run_settings().unwrap().time_limit, None);
    let checkpoint = block_on(whole.checkpoint()).unwrap();
    let tokens = whole.corpus_tokens().unwrap();
    let events = events_until(&mut whole, &clock, is_finished).unwrap();
    let took = clock.read() - began;
    assert!((took - seconds).abs() < 0.05 * seconds, "{took}");
    // The warm-up was long over, and both evaluations are still to come.
    let fitted = whole.run_settings().unwrap().clone();
    assert!((100..5000).contains(&fitted.steps) && fitted.eval_every == fitted.steps.div_ceil(2), "{fitted:?}");
    assert_eq!(events.iter().filter(|event| name(event) == "evaluation").count(), 2);
    let history = whole.history().unwrap();
    assert_eq!(history.steps.len() as u64, fitted.steps);
    assert!(history.steps.last().unwrap().learning_rate < 0.01 * fitted.learning_rate);

    let mut resumed = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    resumed.restore_run(&checkpoint, &tokens).unwrap();
    let clock = Clock::default();
    block_on(resumed.start_run(|| clock.read())).unwrap();
    events_until(&mut resumed, &clock, is_finished).unwrap();
    assert_eq!(resumed.history().unwrap().steps, history.steps);
    assert_eq!(resumed.history().unwrap().evaluations, history.evaluations);
}

fn written(session: &mut Session) -> String {
    let mut text = String::new();
    while let Some(piece) = block_on(session.next_token()).unwrap() {
        text += &piece;
    }
    text + &session.end_generation()
}

#[test]
fn the_user_can_generate_text_in_the_middle_of_a_sample() {
    let clock = Clock::default();
    let sample_with = |between: &dyn Fn(&mut Session)| {
        let mut session = session();
        begin(&mut session, config(), &clock);
        events_until(&mut session, &clock, |event| name(event) == "evaluation").unwrap();
        for _ in 0..10 {
            block_on(session.tick(|| clock.read())).unwrap();
        }
        between(&mut session);
        events_until(&mut session, &clock, |event| name(event) == "sample").unwrap();
        session.history().unwrap().samples[0].text.clone()
    };
    let undisturbed = sample_with(&|_| {});
    let disturbed = sample_with(&|session| {
        block_on(session.flush_run(|| clock.read())).unwrap();
        session.begin_generation("La niña", GenerateOptions::default()).unwrap();
        assert!(!written(session).is_empty());
    });
    assert_eq!(undisturbed, disturbed);
}

#[test]
fn a_run_that_is_saved_and_restored_continues_from_the_same_step() {
    let clock = Clock::default();
    let mut whole = session();
    begin(&mut whole, config(), &clock);
    events_until(&mut whole, &clock, is_finished).unwrap();

    let mut first = session();
    begin(&mut first, config(), &clock);
    while first.status().unwrap().step < 6 {
        block_on(first.tick(|| clock.read())).unwrap();
    }
    // As before a pause: queued work is finished, and its time is recorded.
    block_on(first.flush_run(|| clock.read())).unwrap();
    let checkpoint = block_on(first.checkpoint()).unwrap();
    first.run_saved(2.0, || clock.read()).unwrap();
    let tokens = first.corpus_tokens().unwrap();

    let mut second = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    second.restore_run(&checkpoint, &tokens).unwrap();
    let status = block_on(second.start_run(|| clock.read())).unwrap();
    assert_eq!((status.step, status.end_step), (6, 8));
    assert!(status.seconds > 0.0);
    let events = events_until(&mut second, &clock, is_finished).unwrap();
    let Some(RunEvent::Progress { progress }) = events.iter().find(|event| name(event) == "progress") else {
        panic!("{events:?}")
    };
    assert!(progress.elapsed_seconds > status.seconds);
    let (whole, second) = (whole.history().unwrap(), second.history().unwrap());
    assert_eq!(
        (&whole.steps, &whole.evaluations, &whole.samples),
        (&second.steps, &second.evaluations, &second.samples)
    );
}

#[test]
fn a_stop_ends_with_a_checkpoint_and_the_result() {
    let clock = Clock::default();
    let mut session = session();
    begin(&mut session, TrainConfig { steps: 1_000_000, ..config() }, &clock);
    events_until(&mut session, &clock, |event| name(event) == "progress").unwrap();
    session.stop_run().unwrap();
    let events = events_until(&mut session, &clock, is_finished).unwrap();
    assert_eq!(events.iter().map(name).collect::<Vec<_>>(), ["save", "finished"]);
}

#[test]
fn a_run_ends_when_its_learning_rate_makes_the_loss_diverge() {
    let clock = Clock::default();
    let mut session = session();
    let config = TrainConfig { learning_rate: 10.0, grad_clip: 0.0, warmup_steps: 0, weight_decay: 10.0, ..config() };
    begin(&mut session, TrainConfig { steps: 200, ..config }, &clock);
    let error = events_until(&mut session, &clock, is_finished).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 1.., .. }), "{error:?}");
}

#[test]
fn worse_evaluations_are_counted_until_they_indicate_overfitting() {
    let clock = Clock::default();
    let mut session = session();
    // A learning rate that makes the validation loss rise after the first evaluations.
    begin(
        &mut session,
        TrainConfig { steps: 60, eval_every: 1, learning_rate: 0.3, warmup_steps: 0, ..config() },
        &clock,
    );
    let events = events_until(&mut session, &clock, is_finished).unwrap();
    let (mut lowest, mut worse) = (f32::INFINITY, 0);
    let mut overfitted = false;
    for event in &events {
        let RunEvent::Evaluation { evaluation, best } = event else { continue };
        let (loss, best) = (evaluation.validation_loss.unwrap(), best.unwrap());
        if loss < lowest {
            (lowest, worse) = (loss, 0);
        } else {
            worse += 1;
        }
        assert_eq!((best.validation_loss, best.worse_evaluations, best.overfitting), (lowest, worse, worse >= 2));
        overfitted |= best.overfitting;
    }
    assert!(overfitted, "nothing got worse twice");
}
