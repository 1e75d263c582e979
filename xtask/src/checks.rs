//! All checks of `cargo xtask test`, ordered by how much they find in how little time.

use std::fs;
use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};

use crate::shell::{Beside, command, run as run_command, says_yes, step, watch};
use crate::tally::{self, Sum, Tally};
use crate::{Project, browsers, compilers, package, page, pretrained, server, supply, tools, wasm};

struct Check {
    name: &'static str,
    says: &'static str,
    how_long: &'static str,
    /// Whether it reads the page's build.
    needs_page: bool,
    run: fn(&Project) -> Tally,
}

impl Check {
    fn tally(&self, project: &Project) -> Result<Tally> {
        step(self.says, self.how_long, || Ok((self.run)(project)))
    }
}

/// The server's crates enable more features of shared dependencies: built together, Burn would be compiled a second
/// time.
const CRATE: &[&str] = &["--workspace", "--exclude", "xtask"];
const XTASK: &[&str] = &["--package", "xtask"];

const CHECKS: &[Check] = &[
    Check {
        name: "format",
        says: "Rust is formatted",
        how_long: "a second",
        needs_page: false,
        run: |project| Tally::one(cargo(project, &["fmt", "--all", "--check"])),
    },
    Check {
        name: "lint",
        says: "TypeScript, styles and JSON are formatted and lint clean",
        how_long: "a second",
        needs_page: false,
        run: |project| Tally::one(node_tool(project, "biome", &["ci", "--error-on-warnings", colors(), "."])),
    },
    Check {
        name: "typos",
        says: "English is spelled right, in code and prose",
        how_long: "a second",
        needs_page: false,
        run: |project| {
            Tally::one(tools::typos(project).and_then(|typos| run_command(command(typos).current_dir(&project.root))))
        },
    },
    Check {
        name: "clippy",
        says: "Clippy has no warning, native",
        how_long: "minutes the first time",
        needs_page: false,
        run: |project| {
            let clippy = |packages: &[&str]| {
                let arguments =
                    [&["clippy", "--locked"], packages, &["--all-targets", "--", "-D", "warnings"]].concat();
                Tally::one(cargo(project, &arguments))
            };
            let mut tally = clippy(CRATE);
            tally += clippy(XTASK);
            tally
        },
    },
    Check {
        name: "clippy-wasm",
        says: "Clippy has no warning, WebAssembly",
        how_long: "minutes the first time",
        needs_page: false,
        run: |project| {
            let target = "--target=wasm32-unknown-unknown";
            Tally::one(cargo(project, &["clippy", "--locked", "-p", "lorito", target, "--lib", "--", "-D", "warnings"]))
        },
    },
    Check {
        name: "docs",
        says: "The crate's documentation has no warning",
        how_long: "20 seconds",
        needs_page: false,
        run: documentation,
    },
    Check {
        name: "types",
        says: "TypeScript types agree, with each other and with the crate's",
        how_long: "seconds",
        needs_page: true,
        run: |project| {
            // Each folder of web/ may import only what its own tsconfig.json includes: other imports are errors
            // (TS6307).
            let mut tally = Tally::default();
            for folder in
                ["web/shared", "web/api", "web/worker", "web/page", "web/offline", "web/one-page", "tests/browser"]
            {
                tally += Tally::one(node_tool(project, "tsc", &["-p", folder]));
            }
            tally
        },
    },
    Check {
        name: "wasm",
        says: "No export of the module runs the constructors",
        how_long: "a second",
        needs_page: true,
        run: |project| {
            let module = project.target.join("wasm32-unknown-unknown/release/lorito.wasm");
            Tally::one(wasm::check_exports(&module))
        },
    },
    Check {
        name: "supply",
        says: "Every dependency may be handed on, and its notice is",
        how_long: "seconds, minutes the first time",
        needs_page: true,
        run: supply::check,
    },
    Check {
        name: "compilers",
        says: "AMD's compiler makes of the kernels what it should, where Mesa is installed",
        how_long: "a minute",
        needs_page: true,
        run: compilers::check,
    },
    Check { name: "rust", says: "Rust tests", how_long: "minutes the first time", needs_page: false, run: rust_tests },
    Check {
        name: "carry-on",
        says: "Training goes on with transformers and accelerate, where Python has them",
        how_long: "3 minutes",
        needs_page: false,
        run: carry_on,
    },
    Check {
        name: "browser",
        says: "Browser tests, with WebGPU and without",
        how_long: "minutes",
        needs_page: true,
        run: browser_tests,
    },
    Check {
        name: "package",
        says: "The npm package in a Vite project, on a plain page, in Node and in LangChain",
        how_long: "2 minutes",
        needs_page: true,
        run: package::check,
    },
    Check {
        name: "browsers",
        says: "The main path in Firefox and WebKitGTK, with the losses of Chromium",
        how_long: "a minute",
        needs_page: true,
        run: browsers::main_path,
    },
];

/// Checks that take long or have special requirements, each with the flag that includes it.
const MORE: &[(&str, Check)] = &[
    (
        "--browsers",
        Check {
            name: "firefox-webgpu",
            says: "The engine on WebGPU in Firefox, and its shaders for every system",
            how_long: "10 minutes",
            needs_page: true,
            run: browsers::webgpu,
        },
    ),
    (
        "--pretrained",
        Check {
            name: "pretrained",
            says: "SmolLM2-135M is what it is in transformers, PEFT and llama.cpp, where Python has the first two",
            how_long: "15 minutes, and a download of 93 MB the first time",
            needs_page: false,
            run: pretrained::check,
        },
    ),
];

/// Which checks to run.
pub enum Which<'a> {
    /// All of them, and those of `MORE` with these flags.
    All(&'a [&'a str]),
    /// Those with these names, separated by commas.
    Only(&'a str),
}

/// Runs all checks or some, and prints the tally. A failed check does not prevent the others, except those that read
/// the page if its build fails; they then count as failed.
///
/// The page and its tools are built in parallel with the checks that do not read it: link-time optimisation uses only
/// one core, and Cargo, which locks build folders by profile, permits both.
pub fn run(project: &Project, which: Which) -> Result<ExitCode> {
    let checks = chosen(&which)?;
    let left_out = MORE.iter().filter(|(flag, _)| matches!(which, Which::All(flags) if !flags.contains(flag)));
    tools::for_checks(project)?;
    let (of_page, others): (Vec<_>, Vec<_>) = checks.into_iter().partition(|check| check.needs_page);
    let building = if of_page.is_empty() { None } else { Some(page::start_building(project)?) };
    tools::node_packages(project, "tests/browser")?;
    let mut sum = Sum::default();
    for check in others {
        sum.add(check.name, check.tally(project)?);
    }
    let page = |building: Beside| {
        let succeeded = building.wait(|_| ())?;
        ensure!(succeeded, "the page does not build");
        Ok(())
    };
    let built = building.is_some_and(|building| sum.add("page", Tally::one(page(building))));
    for check in of_page {
        if !built {
            println!("==> {}: cannot be checked, as the page does not build", check.says);
        }
        sum.add(check.name, if built { check.tally(project)? } else { Tally::failed() });
    }
    for (flag, check) in left_out {
        let how_long = check.how_long;
        sum.add(check.name, Tally::skipped(format!("takes {how_long}; `cargo xtask test {flag}` includes it")));
    }
    Ok(sum.print())
}

fn chosen(which: &Which) -> Result<Vec<&'static Check>> {
    let all = || CHECKS.iter().chain(MORE.iter().map(|(_, check)| check));
    match which {
        Which::All(flags) => {
            if let Some(unknown) = flags.iter().find(|&flag| !MORE.iter().any(|(known, _)| known == flag)) {
                let known: Vec<_> = MORE.iter().map(|(flag, _)| *flag).collect();
                bail!("`cargo xtask test` has no `{unknown}`; it has {} and --only", known.join(", "));
            }
            let more = MORE.iter().filter(|(flag, _)| flags.contains(flag)).map(|(_, check)| check);
            Ok(CHECKS.iter().chain(more).collect())
        }
        Which::Only(names) => {
            let names: Vec<_> = names.split(',').collect();
            for name in &names {
                if !all().any(|check| check.name == *name) {
                    let all: Vec<_> = all().map(|check| check.name).collect();
                    bail!("there is no check `{name}`; there are {}", all.join(", "));
                }
            }
            Ok(all().filter(|check| names.contains(&check.name)).collect())
        }
    }
}

/// Fuzzes the file readers for `seconds`; `seed` determines the files.
pub fn fuzz(project: &Project, seconds: u32, seed: u64) -> Result<ExitCode> {
    let mut test = command("cargo");
    test.args(["test", "--locked", "--package", "lorito", "--test", "promises", "--", "--nocapture", "fuzz::"]);
    test.env("LORITO_FUZZ_SECONDS", seconds.to_string()).env("LORITO_FUZZ_SEED", seed.to_string());
    step("Reading broken files", &format!("{seconds} s, and minutes to compile the first time"), || {
        run_command(test.current_dir(&project.root))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn cargo(project: &Project, arguments: &[&str]) -> Result<()> {
    run_command(command("cargo").args(arguments).current_dir(&project.root))
}

/// Runs a program from web/'s npm packages.
fn node_tool(project: &Project, name: &str, arguments: &[&str]) -> Result<()> {
    let program = project.root.join("web/node_modules/.bin").join(name);
    run_command(command(program).args(arguments).current_dir(&project.root))
}

/// Biome colours its output also when it goes to a file, unless told otherwise.
fn colors() -> &'static str {
    if std::io::stdout().is_terminal() { "--colors=force" } else { "--colors=off" }
}

/// Builds the crate's documentation for WebAssembly, which includes src/web. Clippy has checked the dependencies with
/// the same features; natively the tests need more of naga's, and Burn would be checked a second time.
fn documentation(project: &Project) -> Tally {
    let mut doc = command("cargo");
    doc.args(["doc", "--locked", "--no-deps", "-p", "lorito", "--target=wasm32-unknown-unknown", "--lib"]);
    Tally::one(run_command(doc.env("RUSTDOCFLAGS", "-D warnings").current_dir(&project.root)))
}

fn rust_tests(project: &Project) -> Tally {
    run_rust_tests(project).unwrap_or_else(|error| Tally::one(Err(error)))
}

fn run_rust_tests(project: &Project) -> Result<Tally> {
    let software_gpu = tools::software_gpu(&tools::chromium()?);
    let test = |packages: &[&str], which: &[&str]| {
        let mut cargo = command("cargo");
        cargo.args(["test", "--locked", "--no-fail-fast"]).args(packages).args(which);
        cargo.envs(software_gpu.clone()).current_dir(&project.root);
        cargo
    };
    run_command(&mut test(CRATE, &["--no-run"]))?;
    // Shaders are compiled one after another, so each half of the tests uses only one core.
    let promises = Beside::start(&mut test(CRATE, &["--test", "*"]), project.target.join("promises.log"))?;
    let (mut of_crate, mut of_xtask) = (Tally::default(), Tally::default());
    let mut succeeded = true;
    for which in [&["--lib", "--bins", "--examples"][..], &["--doc"]] {
        succeeded &= watch(&mut test(CRATE, which), |line| of_crate.add_line(line))?;
    }
    let xtask_succeeded = watch(&mut test(XTASK, &[]), |line| of_xtask.add_line(line))?;
    succeeded &= promises.wait(|line| of_crate.add_line(line))?;
    let mut sum = of_crate.of_suite(succeeded);
    sum += of_xtask.of_suite(xtask_succeeded);
    Ok(sum)
}

/// Runs the Python export's script on a model that the crate has trained. Without Python it is skipped, and without
/// torch the script is only parsed: torch is too large to be installed for this check.
fn carry_on(project: &Project) -> Tally {
    let python = tools::python;
    if !says_yes(python().arg("--version")) {
        return Tally::skipped("there is no Python; LORITO_PYTHON can name one");
    }
    let scripts = ["src/formats/carry_on/continue_training.py", "src/formats/carry_on/training_text.py"];
    let mut tally =
        Tally::one(run_command(python().arg("tests/carry_on/names.py").args(scripts).current_dir(&project.root)));
    if !says_yes(python().args(["-c", "import torch, transformers, accelerate"])) {
        let python = python().get_program().display().to_string();
        tally +=
            Tally::skipped(format!("the script is read, not run: {python} lacks torch, transformers or accelerate"));
        return tally;
    }
    let proved =
        cargo(project, &["test", "--locked", "--test", "promises", "--", "--ignored", "carry_on::"]).and_then(|()| {
            let models = project.target.join("tmp/carry-on");
            run_command(python().arg("tests/carry_on/prove.py").arg(models).current_dir(&project.root))
        });
    tally += Tally::one(proved);
    tally
}

fn browser_tests(project: &Project) -> Tally {
    run_browser_tests(project).unwrap_or_else(|error| Tally::one(Err(error)))
}

fn run_browser_tests(project: &Project) -> Result<Tally> {
    let chromium = tools::chromium()?;
    let server = server::start(project.dist(), 0)?;
    let folder = project.root.join("tests/browser");
    let report = folder.join("results/report.json");
    let mut sum = Tally::default();
    for tests in [["--grep-invert=@alone", "--workers=2"], ["--grep=@alone", "--workers=1"]] {
        if report.exists() {
            fs::remove_file(&report)?; // an earlier run's must not be mistaken for this one's
        }
        let mut playwright = command(folder.join("node_modules/.bin/playwright"));
        playwright.args(["test", "--reporter=list,json"]).args(tests).current_dir(&folder);
        playwright.env("LORITO_URL", server.address()).env("LORITO_CHROMIUM", &chromium);
        playwright.env("LORITO_OPERATIONS", page::operations(project));
        playwright.env("PLAYWRIGHT_JSON_OUTPUT_FILE", &report);
        let succeeded = run_command(&mut playwright).is_ok();
        sum += tally::of_browser_tests(&report)?.of_suite(succeeded);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_for_an_unknown_check_names_it() {
        assert_eq!(chosen(&Which::Only("rust,browser")).unwrap().len(), 2);
        assert_eq!(chosen(&Which::Only("firefox-webgpu")).unwrap().len(), 1);
        let error = chosen(&Which::Only("rust,browsser")).err().unwrap().to_string();
        assert!(error.contains("`browsser`") && error.contains("clippy-wasm"), "{error}");
    }

    #[test]
    fn flags_add_checks_to_all() {
        let all = chosen(&Which::All(&[])).unwrap().len();
        let added = |flags: &[&str]| chosen(&Which::All(flags)).map(|checks| checks.len() - all);
        assert_eq!(added(&["--pretrained"]).unwrap(), 1);
        assert_eq!(added(&["--browsers", "--pretrained"]).unwrap(), 2);
        let error = added(&["--pretrain"]).unwrap_err().to_string();
        assert!(error.contains("`--pretrain`") && error.contains("--browsers, --pretrained"), "{error}");
    }
}
