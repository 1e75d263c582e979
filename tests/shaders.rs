//! Compiles every shader of the page with naga, as Firefox does, for each system's GPU language: no single machine has
//! all of these systems. `cargo xtask test --browsers` collects the shaders in a browser.

use std::fs;
use std::path::Path;

use naga::back::{hlsl, msl, spv};
use naga::front::wgsl;
use naga::valid::{Capabilities, ValidationFlags, Validator};

/// The least number of shaders: those of the page's own model and of odd sizes, of each kernel, and in half precision
/// if the browser's GPU supports it.
const FEWEST: usize = 60;

#[test]
#[ignore = "run by the check firefox-webgpu, on the shaders that a browser has made"]
fn every_shader_of_the_page_compiles_for_each_system() {
    let folder = std::env::var("LORITO_SHADERS").expect("LORITO_SHADERS names the folder of the shaders");
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= FEWEST, "{} shaders in {folder}", files.len());
    let wrong: Vec<_> = files.iter().filter_map(|file| convert(file).err()).collect();
    let halves = files.iter().filter(|file| fs::read_to_string(file).unwrap().contains("enable f16;")).count();
    println!("{} shaders, {halves} of them in half precision", files.len());
    assert!(wrong.is_empty(), "{} of {} shaders:\n{}", wrong.len(), files.len(), wrong.join("\n"));
}

/// Validates a shader and writes it for Vulkan, Metal and Direct3D 12.
fn convert(file: &Path) -> Result<(), String> {
    let code = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let at = |stage: &str, error: String| format!("{}, {stage}: {error}", file.display());
    let module = wgsl::parse_str(&code).map_err(|error| at("WGSL", error.emit_to_string(&code)))?;
    // WebGPU's default capabilities, and the one optional feature that the engine requests.
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16);
    let info = validator.validate(&module).map_err(|error| at("validation", error.emit_to_string(&code)))?;

    // The language versions that wgpu uses for WebGPU.
    let for_vulkan = spv::Options { lang_version: (1, 3), ..Default::default() };
    spv::write_vec(&module, &info, &for_vulkan, None).map_err(|error| at("SPIR-V", error.to_string()))?;
    let for_metal = msl::Options { lang_version: (2, 3), ..Default::default() };
    msl::write_string(&module, &info, &for_metal, &msl::PipelineOptions::default())
        .map_err(|error| at("MSL", error.to_string()))?;
    let for_direct3d = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, ..Default::default() };
    let pipeline = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut String::new(), &for_direct3d, &pipeline)
        .write(&module, &info, None)
        .map_err(|error| at("HLSL", error.to_string()))?;
    Ok(())
}
