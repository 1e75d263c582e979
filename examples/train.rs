//! Trains a model on a text, natively: `cargo run --release --example train -- FILE`. It uses the same training run as
//! the page, and serves to profile the engines and to compare recipes by the bits per byte of the held-back text.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use futures_lite::future::block_on;
use indicatif::{ProgressBar, ProgressStyle};
use lorito::{
    config::{Chosen, TimePlan, TrainConfig, settings::TIME_LIMIT},
    device::{self, CPU_LIMITS, Engine, Machine},
    ops::Device,
    session::Session,
    tokenizer::Kind,
    train::{RunEvent, RunResult, Threads},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const USAGE: &str = "\
cargo run --release --example train -- FILE [OPTIONS]

  --minutes N             how long everything may take: model, vocabulary, steps and settings are chosen for it
  --steps N               train so many steps
  --out NAME.safetensors  write the model there; checkpoints, too, while it trains
  --preset NAME           tiny (if neither time nor preset is given), shakespeare-small, medium or shakespeare
  --tokenizer KIND        char, byte, or the size of a BPE vocabulary
  --set NAME=VALUE        a setting of model or training, by its name in JavaScript; several times for several
  --seed N                the seed of weights, windows and dropout
  --workers N             let at most N processors share each step, as many as help; 1 if not given
  --gpu                   train on the GPU, by Vulkan, Metal or DirectX, instead of on the CPU";

/// Bytes from which on a text gets a BPE tokenizer instead of characters, as on the page.
const LONG_TEXT: u64 = 1_000_000;
/// Fewest evaluations of a run, so that a short one shows its losses falling.
const EVALUATIONS: u64 = 4;

#[derive(Debug, Clone, PartialEq, Default)]
struct Options {
    file: PathBuf,
    minutes: Option<f64>,
    steps: Option<u64>,
    out: Option<PathBuf>,
    preset: Option<String>,
    tokenizer: Option<Tokens>,
    set: Vec<(String, Value)>,
    workers: Option<usize>,
    gpu: bool,
}

/// The kind of a tokenizer, and the size of its vocabulary if it is BPE.
type Tokens = (Kind, Option<usize>);

fn tokens(name: &str) -> Option<Tokens> {
    match name {
        "char" => Some((Kind::Char, None)),
        "byte" => Some((Kind::Byte, None)),
        size => size.parse().ok().map(|size| (Kind::Bpe, Some(size))),
    }
}

/// A setting and its value: "width=128".
fn setting(text: &str) -> Option<(String, Value)> {
    let (name, value) = text.split_once('=')?;
    Some((name.to_owned(), serde_json::from_str(value).ok()?))
}

impl Options {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = arguments.into_iter();
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--minutes" => options.minutes = Some(value()?.parse().map_err(|_| "--minutes needs a number")?),
                "--steps" => options.steps = Some(value()?.parse().map_err(|_| "--steps needs a whole number")?),
                "--out" => options.out = Some(value()?.into()),
                "--preset" => options.preset = Some(value()?),
                "--tokenizer" => {
                    options.tokenizer = Some(tokens(&value()?).ok_or("--tokenizer needs char, byte or a size")?);
                }
                "--set" => options.set.push(setting(&value()?).ok_or("--set needs NAME=NUMBER")?),
                "--seed" => options.set.extend(setting(&format!("seed={}", value()?))),
                "--workers" => options.workers = Some(value()?.parse().map_err(|_| "--workers needs a whole number")?),
                "--gpu" => options.gpu = true,
                _ if argument.starts_with('-') => return Err(format!("{argument} is no option").into()),
                _ if options.file.as_os_str().is_empty() => options.file = argument.into(),
                _ => return Err(format!("{argument} is a second file").into()),
            }
        }
        if options.file.as_os_str().is_empty() {
            return Err("no file to train on".into());
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let options = match Options::parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let style = "{bar:30} {pos}/{len} steps, {msg}";
    let bar = ProgressBar::no_length().with_style(ProgressStyle::with_template(style).expect("a template"));
    let trained = train(&options, &bar);
    bar.finish();
    match trained {
        Ok(Trained { result: RunResult { step, tokens_per_second, .. }, seconds, bits_per_byte }) => {
            println!("{step} steps, {tokens_per_second:.0} tokens/s, {seconds:.1} s");
            if let Some(bits) = bits_per_byte {
                println!("{bits:.4} bits per byte of the whole held-back text, in a window that slides by half of it");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Trained {
    result: RunResult,
    /// From the start of the program to the end of training.
    seconds: f64,
    bits_per_byte: Option<f64>,
}

/// Trains a model on a text, and writes it where the options say.
fn train(options: &Options, bar: &ProgressBar) -> Result<Trained, Box<dyn Error>> {
    let start = Instant::now();
    let clock = || start.elapsed().as_secs_f64();
    let mut session = session(options.gpu)?;
    if let Some(workers) = options.workers {
        session.set_replica_pool(Box::<Threads>::default());
        session.set_workers(workers);
    }
    let train = prepare(&mut session, options, clock)?;
    session.begin_training(train)?;
    let status = block_on(session.start_run(clock))?;
    bar.set_length(status.end_step - status.start_step);
    // Steps that are given may be too many.
    let end = options.steps.and(options.minutes).map(|minutes| 60.0 * minutes);
    loop {
        if end.is_some_and(|end| clock() >= end) {
            session.stop_run()?;
        }
        for event in block_on(session.tick(clock))? {
            match event {
                RunEvent::FirstStep => {}
                RunEvent::Progress { progress } => {
                    bar.set_length(progress.end_step - status.start_step);
                    bar.set_position(progress.step - status.start_step);
                    let left = progress.seconds_left.round();
                    let workers =
                        if progress.workers > 1 { format!(", {} workers", progress.workers) } else { String::new() };
                    bar.set_message(format!(
                        "loss {:.3}, {:.0} tokens/s{workers}, {left} s left",
                        progress.loss, progress.tokens_per_second
                    ));
                }
                RunEvent::Checked { found } => {
                    bar.suspend(|| println!("GPU against CPU: {found:?}"));
                    if !found.passed {
                        return Err("the GPU computes otherwise than the CPU".into());
                    }
                }
                RunEvent::Evaluation { evaluation, best } => {
                    let loss = |loss: Option<f32>| loss.map_or("-".into(), |loss| format!("{loss:.3}"));
                    let (train, validation) = (loss(evaluation.train_loss), loss(evaluation.validation_loss));
                    let overfits = if best.is_some_and(|best| best.overfitting) { ", overfitting" } else { "" };
                    let step = evaluation.step;
                    bar.suspend(|| println!("step {step}: loss {train}, validation loss {validation}{overfits}"));
                }
                RunEvent::Sample { text, .. } => bar.suspend(|| println!("  {}\n", text.replace('\n', "\n  "))),
                RunEvent::SaveDue => {
                    if let Some(out) = &options.out {
                        let began = clock();
                        write(out, &block_on(session.checkpoint())?)?;
                        session.run_saved(clock() - began, clock)?;
                    }
                }
                RunEvent::Finished { result } => {
                    if let Some(out) = &options.out {
                        let name = out.file_stem().unwrap_or_default().to_string_lossy();
                        write(out, &block_on(session.export_safetensors(&name))?)?;
                    }
                    let seconds = clock();
                    let bits_per_byte = block_on(session.held_back_bits_per_byte())?;
                    return Ok(Trained { result, seconds, bits_per_byte });
                }
            }
        }
    }
}

fn session(gpu: bool) -> Result<Session, String> {
    if !gpu {
        return Ok(Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS));
    }
    let limits = device::limits(Engine::WebGpu, &Machine { discrete: true, ..Machine::default() });
    Ok(Session::new(Device::driver_gpu(), Engine::WebGpu, limits))
}

/// Reads the text and creates tokenizer and model; returns the settings of the run.
fn prepare(session: &mut Session, options: &Options, clock: impl Fn() -> f64) -> Result<TrainConfig, Box<dyn Error>> {
    let bytes = fs::read(&options.file).map_err(|error| format!("{}: {error}", options.file.display()))?;
    let name = options.file.file_name().unwrap_or_default().to_string_lossy();
    session.open_file(&name, bytes.len() as u64, None);
    session.push_bytes(&bytes)?;
    let text = session.close_file()?;
    let seconds = options.minutes.map(|minutes| 60.0 * minutes);
    let planned = match (seconds, &options.preset) {
        (Some(seconds), None) => {
            let (tokenizer, vocabulary) = options.tokenizer.unzip();
            let chosen = Chosen { tokenizer, vocabulary: vocabulary.flatten(), ..Chosen::default() };
            Some(block_on(session.plan_for_time(seconds, &chosen, &clock))?)
        }
        _ => None,
    };
    let is_long = text.bytes as u64 >= LONG_TEXT;
    let suited = if is_long { (Kind::Bpe, Some(session.suggested_vocabulary())) } else { (Kind::Char, None) };
    let of_plan = planned.as_ref().map(|plan| (plan.tokenizer, Some(plan.vocabulary)));
    let (kind, vocabulary) = of_plan.or(options.tokenizer).unwrap_or(suited);
    let tokenizer = session.train_tokenizer(kind, vocabulary)?;
    let preset = match planned {
        Some(TimePlan { preset, reason, .. }) => {
            println!("planned: {reason:?}, {:?}, {:?}", preset.model, preset.train);
            preset
        }
        None => lorito::config::preset(options.preset.as_deref().unwrap_or("tiny"), tokenizer.vocabulary)?,
    };
    let (config, mut train) = (with(&preset.model, &options.set)?, with(&preset.train, &options.set)?);
    let model = session.create_model(config, train.seed)?;
    if options.gpu {
        let kernels = block_on(session.measure_kernels(&clock))?;
        println!("kernels: {kernels:?}");
    }
    block_on(session.measure(&model.config, &train, &clock))?;
    match (options.steps, seconds) {
        (Some(steps), _) => train.steps = steps,
        (None, Some(seconds)) => {
            let left = seconds - clock();
            let step = session.plan(&model.config, &train)?.seconds_per_step;
            train.steps = ((left / step) as u64).max(1);
            train.time_limit = Some(left.max(TIME_LIMIT.min));
        }
        (None, None) => {}
    }
    train.eval_every = train.eval_every.min(train.steps / EVALUATIONS).max(1);
    train.warmup_steps = train.warmup_steps.min(train.steps / 10);
    let (parameters, tokens) = (model.parameters, tokenizer.train_tokens);
    println!("{parameters} parameters, {tokens} tokens of text, {} steps", train.steps);
    Ok(train)
}

/// The settings with those that the options change. What the other one of model and training has is passed over.
fn with<T: Serialize + DeserializeOwned>(settings: &T, set: &[(String, Value)]) -> Result<T, Box<dyn Error>> {
    let mut values = serde_json::to_value(settings)?;
    if let Some(values) = values.as_object_mut() {
        values.extend(set.iter().cloned());
    }
    Ok(serde_json::from_value(values)?)
}

/// Writes a file atomically: a failure must not destroy the previous checkpoint.
fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = file.with_extension("part");
    fs::write(&beside, bytes)?;
    fs::rename(beside, file)
}

#[cfg(test)]
mod tests {
    use lorito::session::GenerateOptions;

    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned)).map_err(|error| error.to_string())
    }

    #[test]
    fn options_are_read() {
        let options = parse("text.txt --minutes 1.5 --out a.safetensors --preset medium --workers 3 --gpu --steps 7 --seed 3 --set width=32 --tokenizer 512").unwrap();
        let expected = Options {
            file: "text.txt".into(),
            minutes: Some(1.5),
            steps: Some(7),
            out: Some("a.safetensors".into()),
            preset: Some("medium".into()),
            tokenizer: Some((Kind::Bpe, Some(512))),
            set: vec![("seed".into(), 3.into()), ("width".into(), 32.into())],
            workers: Some(3),
            gpu: true,
        };
        assert_eq!(options, expected);
        let refused = ["", "a.txt --minutes", "a.txt --minutes soon", "a.txt --faster", "a.txt b.txt"];
        for (line, reason) in refused.into_iter().zip([
            "no file to train on",
            "--minutes needs a value",
            "--minutes needs a number",
            "--faster is no option",
            "b.txt is a second file",
        ]) {
            assert_eq!(parse(line).unwrap_err(), reason);
        }
    }

    /// A folder with a short text, and the path in it for the model.
    fn folder(name: &str) -> (PathBuf, PathBuf) {
        let folder = env::temp_dir().join(format!("lorito-train-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let text = "The parrot said again what the sea had said. ".repeat(60);
        fs::write(folder.join("story.txt"), text).unwrap();
        (folder.join("story.txt"), folder.join("parrot.safetensors"))
    }

    #[test]
    fn a_model_trained_on_a_short_text_opens_and_generates() {
        let (file, out) = folder("steps");
        let options = Options { file, steps: Some(40), out: Some(out.clone()), ..Options::default() };
        let Trained { result, bits_per_byte, .. } = train(&options, &ProgressBar::hidden()).unwrap();
        assert_eq!(result.step, 40);
        assert!((0.1..6.0).contains(&bits_per_byte.unwrap()));
        let mut session = session(false).unwrap();
        let model = session.import_model(&fs::read(&out).unwrap()).unwrap();
        assert!(model.parameters > 0);
        let history = session.history().unwrap();
        assert_eq!((history.steps.len(), history.evaluations.len(), history.samples.len()), (40, 5, 5));
        assert!(history.steps[39].loss < 0.8 * history.steps[0].loss);
        session.begin_generation("The ", GenerateOptions::default()).unwrap();
        assert!(block_on(session.next_token()).unwrap().is_some());
        // All checkpoints have been deleted.
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 2);
        fs::remove_dir_all(out.parent().unwrap()).unwrap();
    }

    #[test]
    fn training_ends_at_its_time_limit() {
        let (file, out) = folder("minutes");
        let options = Options { file, minutes: Some(0.02), steps: Some(1_000_000), ..Options::default() };
        let Trained { result, .. } = train(&options, &ProgressBar::hidden()).unwrap();
        assert!(result.step < 1_000_000);
        assert!(!out.exists());
        fs::remove_dir_all(out.parent().unwrap()).unwrap();
    }
}
