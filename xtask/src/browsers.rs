//! Runs the tests in browsers other than Chromium: tests/browser/elsewhere, with Playwright's runner and WebDriver.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::shell::{command, run};
use crate::tally::{self, Tally};
use crate::{Project, server, tools};

/// Tests the main path on the CPU engine in each browser that can be installed here.
pub fn main_path(project: &Project) -> Tally {
    let found = || -> Result<_> {
        Ok([("LORITO_FIREFOX", tools::firefox()?), ("LORITO_WEBKIT_DRIVER", tools::webkit_driver()?)])
    };
    let browsers = match found() {
        Ok(browsers) => browsers,
        Err(error) => return Tally::one(Err(error)),
    };
    if browsers.iter().all(|(_, browser)| browser.is_none()) {
        return Tally::skipped(
            "there is neither Firefox nor WebKitGTK; LORITO_FIREFOX and LORITO_WEBKIT_DRIVER can name them",
        );
    }
    elsewhere(project, &["main-path", "background"], |tests| {
        for (variable, browser) in &browsers {
            match browser {
                Some(program) => tests.env(variable, program),
                None => tests.env_remove(variable),
            };
        }
    })
}

/// Tests Firefox with WebGPU: its results, and that each of its shaders compiles for every system.
pub fn webgpu(project: &Project) -> Tally {
    let firefox = match tools::vulkan_driver().and_then(|()| tools::firefox()) {
        Ok(Some(firefox)) => firefox,
        Ok(None) => return Tally::skipped("there is no Firefox; LORITO_FIREFOX can name one"),
        Err(error) => return Tally::one(Err(error)),
    };
    let shaders = project.target.join("tmp/shaders");
    let mut tally = elsewhere(project, &["webgpu"], |tests| {
        tests.env("LORITO_FIREFOX", &firefox).env("LORITO_WEBGPU", "on").env("LORITO_SHADERS", &shaders);
    });
    let mut naga = command("cargo");
    naga.args(["test", "--locked", "--test", "promises", "--", "--nocapture", "--ignored", "shaders::"]);
    tally += Tally::one(run(naga.env("LORITO_SHADERS", &shaders).current_dir(&project.root)));
    tally
}

/// Runs some of the test files; `prepare` sets the environment variables for the browsers.
fn elsewhere(project: &Project, files: &[&str], prepare: impl FnOnce(&mut Command)) -> Tally {
    let tests = || -> Result<Tally> {
        let server = server::start(project.dist(), 0)?;
        let folder = project.root.join("tests/browser");
        let report: PathBuf = folder.join("results/elsewhere.json");
        if report.exists() {
            fs::remove_file(&report)?; // an earlier run's must not be mistaken for this one's
        }
        let mut playwright = command(folder.join("node_modules/.bin/playwright"));
        playwright.args(["test", "--config=elsewhere/playwright.config.ts", "--reporter=list,json"]).args(files);
        playwright.env("LORITO_URL", server.address()).env("LORITO_CHROMIUM", tools::chromium()?);
        playwright.env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report).current_dir(&folder);
        prepare(&mut playwright);
        let succeeded = run(&mut playwright).is_ok();
        Ok(tally::of_browser_tests(&report)?.of_suite(succeeded))
    };
    tests().unwrap_or_else(|error| Tally::one(Err(error)))
}
