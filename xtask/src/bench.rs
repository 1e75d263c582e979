//! The measurements: bench/run.mjs takes them in a real browser, on the page that `serve` serves, and prints one JSON
//! line for each.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell::{self, command, step};
use crate::{Project, page, server, tools};

pub fn run(project: &Project, arguments: &[&str]) -> Result<ExitCode> {
    page::build(project)?;
    let chromium = tools::chromium()?;
    if project.root.join("bench/package-lock.json").is_file() {
        tools::node_packages(project, "bench")?;
    }
    let server = server::start(project.dist(), 0)?;
    step("Measuring", "minutes; leave the machine alone meanwhile", || {
        shell::run(
            command("node")
                .arg("bench/run.mjs")
                .args(arguments)
                .env("LORITO_URL", server.address())
                .env("LORITO_CHROMIUM", chromium)
                .current_dir(&project.root),
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
