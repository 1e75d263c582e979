//! The promises about models of others on a real one, SmolLM2-135M-Instruct: tests/smollm2 compares the crate with
//! transformers and PEFT, tests/browser/smollm2 what it exports with llama.cpp.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::shell::{command, run, says_yes};
use crate::tally::{self, Tally};
use crate::{Project, tools};

/// Without Python's packages it is skipped: torch is too large to be installed for it.
pub fn check(project: &Project) -> Tally {
    if !says_yes(tools::python().args(["-c", "import torch, transformers, accelerate, peft, gguf"])) {
        return Tally::skipped(
            "there is no Python with torch, transformers, accelerate, peft and gguf; LORITO_PYTHON can name one",
        );
    }
    let mut tally = Tally::one(in_python(project));
    if !tally.has_failed() {
        tally += in_llama_cpp(project).unwrap_or_else(|error| Tally::one(Err(error)));
    }
    // More than a gigabyte; what failed can be looked at.
    if !tally.has_failed() {
        fs::remove_dir_all(folder(project)).ok();
    }
    tally
}

fn folder(project: &Project) -> PathBuf {
    project.target.join("tmp/smollm2")
}

/// Asks transformers about the model, then the crate, and compares their answers.
fn in_python(project: &Project) -> Result<()> {
    let (gguf, folder) = (tools::smollm2(project)?, folder(project));
    let prove = |what: &str| {
        let mut python = tools::python();
        python.args(["tests/smollm2/prove.py", what]).arg(&gguf).arg(&folder);
        run(python.env("TQDM_DISABLE", "1").current_dir(&project.root)) // progress bars in a log
    };
    prove("ask")?;
    let mut answer = command("cargo");
    // Optimised as on the page, and nothing else is compiled again for it.
    answer.args(["test", "--locked", "--config", "profile.dev.package.lorito.opt-level=3", "--test", "promises"]);
    answer.args(["--", "--ignored", "--test-threads=1", "smollm2::write", "smollm2::memory", "ids_of_smollm2"]);
    run(answer.env("LORITO_SMOLLM2", folder.join("reference")).current_dir(&project.root))?;
    prove("compare")
}

/// Has llama.cpp write with what the crate has exported.
fn in_llama_cpp(project: &Project) -> Result<Tally> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Ok(Tally::skipped("the lockfile brings llama.cpp for Linux on x64 alone"));
    }
    let tests = project.root.join("tests/browser");
    let report = tests.join("results/smollm2.json");
    if report.exists() {
        fs::remove_file(&report)?; // an earlier run's must not be mistaken for this one's
    }
    let mut playwright = command(tests.join("node_modules/.bin/playwright"));
    playwright.args(["test", "--config=smollm2/playwright.config.ts", "--reporter=list,json"]);
    playwright.env("LORITO_SMOLLM2", folder(project)).env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report);
    let succeeded = run(playwright.current_dir(&tests)).is_ok();
    Ok(tally::of_browser_tests(&report)?.of_suite(succeeded))
}
