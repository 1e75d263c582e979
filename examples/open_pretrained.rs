//! Opens a model of another program and has it answer a message, natively: a folder of Hugging Face's transformers or a
//! GGUF file, of GPT-2, Llama, Qwen2 or Qwen3.
//!
//! `cargo run --release --example open_pretrained -- SmolLM2-135M-Instruct "Who mends the net?"`

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use futures_lite::future::block_on;
use lorito::{
    chat::{Message, Role},
    device::{CPU_LIMITS, Engine},
    formats::{Folder, INDICES, Parts, wanted_parts},
    ops::Device,
    session::{GenerateOptions, Session},
    tokenizer::TOKENIZER_FILES,
};

const USAGE: &str = "cargo run --release --example open_pretrained -- FOLDER_OR_GGUF MESSAGE";
const WEIGHTS: [&str; 3] = ["safetensors", "bin", "gguf"];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, message] = &arguments[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match answer(Path::new(path), message, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the model's answer to `out`, token by token: of a chat model in its own template, of another the continuation.
fn answer(path: &Path, message: &str, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    let files = if path.is_dir() { files_in(path)? } else { vec![path.to_owned()] };
    let pieces = session.begin_pretrained(&folder(&files)?)?;
    for piece in &pieces {
        let file = files.iter().find(|file| name(file) == piece.file).ok_or("a file of the model is gone")?;
        block_on(session.push_pretrained(&read(file, piece.from, piece.to)?))?;
    }
    let model = session.finish_pretrained()?;
    let options = GenerateOptions { max_tokens: 100, ..GenerateOptions::default() };
    if model.chat {
        session.begin_chat(&[Message { role: Role::User, content: message.to_owned() }], options)?;
    } else {
        write!(out, "{message}")?;
        session.begin_generation(message, options)?;
    }
    while let Some(piece) = block_on(session.next_token())? {
        write!(out, "{piece}")?;
        out.flush()?;
    }
    writeln!(out, "{}", session.end_generation())?;
    Ok(())
}

/// What has to be known of a model before its weights are read: the small files, and the headers of the large ones.
fn folder(files: &[PathBuf]) -> Result<Folder, Box<dyn Error>> {
    let small = |wanted: &str| {
        let file = files.iter().find(|file| name(file) == wanted)?;
        Some(fs::read(file).map(|bytes| (wanted.to_owned(), bytes)))
    };
    let mut folder = Folder {
        config: small("config.json").transpose()?.map(|(_, bytes)| bytes).unwrap_or_default(),
        tokenizer: TOKENIZER_FILES.into_iter().filter_map(small).collect::<Result<_, _>>()?,
        index: INDICES.into_iter().find_map(small).transpose()?,
        ..Folder::default()
    };
    let is_weights = |file: &&PathBuf| file.extension().is_some_and(|ending| WEIGHTS.iter().any(|it| ending == *it));
    for file in files.iter().filter(is_weights) {
        let mut parts = Parts::new(name(file), fs::metadata(file)?.len());
        loop {
            let wanted = wanted_parts(&parts)?;
            if wanted.is_empty() {
                break;
            }
            for range in wanted {
                parts.put(range.start, read(file, range.start, range.end)?);
            }
        }
        folder.weights.push(parts);
    }
    Ok(folder)
}

fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The bytes of a file from `from` to before `to`.
fn read(file: &Path, from: u64, to: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(to - from).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_opens_and_the_model_answers() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pretrained/plain");
        let mut out = Vec::new();
        answer(&folder, "the", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("the") && text.len() > 20, "{text}");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let error = answer(Path::new("nowhere.gguf"), "the", &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("No such file"), "{error}");
    }
}
