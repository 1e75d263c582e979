//! The npm package `lorito`: packages/lorito/build.mjs makes it of the page's sources and build, `npm pack` one file of it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::Project;
use crate::shell::{command, output, run, step};
use crate::tally::{self, Tally};
use crate::{page, tools};

const FOLDER: &str = "packages/lorito";

/// Builds the page and packs the package; returns the packed file.
pub fn build(project: &Project) -> Result<PathBuf> {
    page::build(project)?;
    pack(project)
}

/// Packs the package, of a page that is built.
fn pack(project: &Project) -> Result<PathBuf> {
    tools::node_packages(project, FOLDER)?;
    let folder = project.root.join(FOLDER);
    step("Packing the npm package", "10 seconds", || {
        let mut build = command("node");
        build.arg("build.mjs").env("CARGO_TARGET_DIR", &project.target);
        run(build.current_dir(&folder))?;
        let packed = project.target.join("npm");
        fs::create_dir_all(&packed)?;
        let mut npm = command("npm");
        npm.args(["pack", "--ignore-scripts", "--silent", "--pack-destination"]).arg(&packed);
        let name = output(npm.current_dir(&folder))?;
        Ok(packed.join(name.trim().lines().last().context("npm names no file")?))
    })
}

/// Installs the packed file in new projects, and uses it there: in a browser and in Node.
pub fn check(project: &Project) -> Tally {
    run_tests(project).unwrap_or_else(|error| Tally::one(Err(error)))
}

fn run_tests(project: &Project) -> Result<Tally> {
    let packed = pack(project)?;
    let tests = project.root.join("tests/browser");
    let report = tests.join("results/package.json");
    if report.exists() {
        fs::remove_file(&report)?; // an earlier run's must not be mistaken for this one's
    }
    let mut playwright = command(tests.join("node_modules/.bin/playwright"));
    playwright.args(["test", "--config=package/playwright.config.ts", "--reporter=list,json"]);
    playwright.env("LORITO_PACKED", &packed).env("LORITO_PACKAGE", project.root.join(FOLDER));
    playwright.env("LORITO_CHROMIUM", tools::chromium()?).env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report);
    if let Some(server) = tools::llama_server(project)? {
        playwright.env("LORITO_LLAMA_SERVER", server);
    }
    let succeeded = run(playwright.current_dir(&tests)).is_ok();
    Ok(tally::of_browser_tests(&report)?.of_suite(succeeded))
}
