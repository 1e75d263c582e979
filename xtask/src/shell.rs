//! Runs other programs: each step prints its name and expected duration, and then the actual duration.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Creates a command without the variables that `cargo run` set for xtask itself: build scripts that watch them would
/// run again each time the caller changes between xtask and plain cargo.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO" {
            command.env_remove(&*name);
        }
    }
    command
}

/// Prints a step's name and expected duration, runs it, and prints how long it took.
pub fn step<T>(what: &str, how_long: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    println!("==> {what} ({how_long})");
    let start = Instant::now();
    let result = work();
    println!("    took {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// Runs a program with its own output; an error if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    succeeded(command, status)
}

/// The standard output of a program; an error if it fails.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| cannot_start(command))?;
    succeeded(command, output.status)?;
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no UTF-8", name(command)))
}

/// Whether a program exists and succeeds; its output is discarded.
pub fn says_yes(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a program, forwards its standard output, and passes each line to `see` as well. True if it succeeded.
pub fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| cannot_start(command))?;
    let stdout = child.stdout.take().expect("stdout is piped");
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let mut ours = std::io::stdout().lock();
        ours.write_all(&line)?;
        ours.write_all(b"\n")?;
        see(&String::from_utf8_lossy(&line));
    }
    Ok(child.wait()?.success())
}

/// A program that runs in the background. Its output is kept in a file until it is waited for.
pub struct Beside {
    child: Child,
    says: PathBuf,
}

impl Beside {
    pub fn start(command: &mut Command, says: PathBuf) -> Result<Self> {
        let file = File::create(&says).with_context(|| format!("cannot write {}", says.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| cannot_start(command))?;
        Ok(Self { child, says })
    }

    /// Forwards its output line by line, and passes each to `see` as well. True if it succeeded.
    pub fn wait(mut self, mut see: impl FnMut(&str)) -> Result<bool> {
        let succeeded = self.child.wait()?.success();
        for line in String::from_utf8_lossy(&fs::read(&self.says)?).lines() {
            println!("{line}");
            see(line);
        }
        Ok(succeeded)
    }
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start {}", name(command))
}

/// The program and its first argument, which identify it.
fn name(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let first = command.get_args().next().map(|argument| format!(" {}", argument.to_string_lossy()));
    format!("`{program}{}`", first.unwrap_or_default())
}
