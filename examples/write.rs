//! Lets a model that Lorito saved write, natively: `cargo run --release --example write -- MODEL.safetensors "Once upon"`.

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write},
    process::ExitCode,
};

use futures_lite::future::block_on;
use lorito::{
    device::{CPU_LIMITS, Engine},
    generate::Sampling,
    ops::Device,
    session::{GenerateOptions, Session},
};

const USAGE: &str = "cargo run --release --example write -- MODEL.safetensors [PROMPT [SEED]]";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [model, rest @ ..] = &arguments[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let prompt = rest.first().map_or("", String::as_str);
    let seed = rest.get(1).map(|seed| seed.parse::<u64>());
    let seed = match seed.transpose() {
        Ok(seed) => seed.unwrap_or_default(),
        Err(error) => {
            eprintln!("the seed: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match write(model, prompt, seed, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the prompt and what the model makes of it to `out`, token by token.
fn write(model: &str, prompt: &str, seed: u64, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    session.import_model(&fs::read(model).map_err(|error| format!("{model}: {error}"))?)?;
    let sampling = Sampling { seed, ..Sampling::default() };
    session.begin_generation(prompt, GenerateOptions { sampling, ..GenerateOptions::default() })?;
    write!(out, "{prompt}")?;
    while let Some(piece) = block_on(session.next_token())? {
        write!(out, "{piece}")?;
        out.flush()?;
    }
    writeln!(out, "{}", session.end_generation())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use lorito::{
        config::{ModelConfig, Variant},
        tokenizer::Kind,
    };

    use super::*;

    #[test]
    fn a_saved_model_writes_and_the_same_seed_writes_the_same() {
        let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
        session.open_file("story.txt", 0, None);
        session.push_bytes("The parrot said again what the sea had said. ".repeat(20).as_bytes()).unwrap();
        session.close_file().unwrap();
        session.train_tokenizer(Kind::Char, None).unwrap();
        let (heads, width, variant) = (2, 16, Variant::GPT2);
        let model = ModelConfig { vocabulary: 0, context: 16, layers: 1, heads, width, dropout: 0.0, variant };
        session.create_model(model, 7).unwrap();
        let file = env::temp_dir().join(format!("lorito-write-{}.safetensors", std::process::id()));
        fs::write(&file, block_on(session.export_safetensors("story")).unwrap()).unwrap();
        let written = |seed| {
            let mut out = Vec::new();
            write(&file.to_string_lossy(), "The ", seed, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = written(1);
        assert!(text.starts_with("The ") && text.len() > 20, "{text}");
        assert_eq!(written(1), text);
        assert_ne!(written(2), text);
        fs::remove_file(file).unwrap();
    }
}
