//! Runs the measurements: bench/run.mjs takes them in a real browser, on the page that `serve` serves, and prints one
//! JSON line for each. bench/pack.mjs writes a folder that takes some of them on a machine with a GPU and no browser.
//! Those of the GPU compilers need neither.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell::{self, command, step};
use crate::{Project, compilers, page, server, tools};

pub fn run(project: &Project, arguments: &[&str]) -> Result<ExitCode> {
    if let ["--only", "compilers", rest @ ..] = arguments {
        return compilers::bench(project, rest);
    }
    page::build(project)?;
    let chromium = tools::chromium()?;
    tools::node_packages(project, "bench")?;
    let server = server::start(project.dist(), 0)?;
    step("Measuring", "minutes to hours; leave the machine alone meanwhile", || {
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

/// Packs the page's own wasm, this machine's Node, and the other files that a comparison needs.
pub fn pack(project: &Project) -> Result<ExitCode> {
    page::build(project)?;
    tools::node_packages(project, "bench")?;
    let folder = project.target.join("bench-pack");
    step(&format!("Packing the measurements into {}", folder.display()), "about 20 seconds", || {
        shell::run(command("node").arg("bench/pack.mjs").arg(project.dist()).arg(&folder).current_dir(&project.root))
    })?;
    Ok(ExitCode::SUCCESS)
}
