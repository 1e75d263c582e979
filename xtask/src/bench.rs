//! Runs the measurements: bench/run.mjs takes them in a real browser, on the page that `serve` serves, and prints one
//! JSON line for each. bench/pack.mjs writes a folder that takes some of them on a machine with a GPU and no browser.
//! bench/compilers reads what GPU compilers make of the kernels.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell::{self, command, step};
use crate::{Project, page, server, tools};

pub fn run(project: &Project, arguments: &[&str]) -> Result<ExitCode> {
    if let ["--only", "compilers", rest @ ..] = arguments {
        return compilers(project, rest);
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

/// Compiles the kernels of training steps with GPU vendors' compilers, as far as they are installed.
fn compilers(project: &Project, arguments: &[&str]) -> Result<ExitCode> {
    page::build(project)?;
    tools::node_packages(project, "bench")?;
    step("Compiling the kernels for real GPUs", "minutes", || {
        let mut node = command("node");
        node.arg("bench/compilers/main.mjs").arg("--dist").arg(project.dist());
        node.arg("--folder").arg(project.target.join("compilers")).args(arguments);
        shell::run(node.current_dir(&project.root))
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
