//! Damaged and malicious files. Each ends in a precise error, none in a panic, and none makes the reader allocate much
//! more memory than the file's size.

use lorito::{
    error::Error,
    formats::{LARGEST_HEADER, check_header, read, write},
    train::mix,
};
use serde_json::{Map, Value, json};

use super::sample;
use crate::memory::largest;

/// Reads a file, and requires that no single allocation is larger than the file.
fn read_watched(bytes: &[u8]) -> Result<lorito::formats::ModelFile, Error> {
    let (result, largest) = largest(|| read(bytes));
    let limit = bytes.len() + (64 << 10);
    assert!(largest <= limit, "{largest} bytes were asked for at once, for a file of {}", bytes.len());
    result
}

/// The error of a file.
fn refused(bytes: &[u8]) -> Error {
    let error = read_watched(bytes).unwrap_err();
    assert_header_gives(bytes, &error);
    error
}

/// Requires that the header check gives the same error, unless the fault is behind the header.
fn assert_header_gives(bytes: &[u8], error: &Error) {
    if !matches!(error, Error::CheckpointDamaged { .. }) {
        assert_eq!(check_header(bytes, Some(bytes.len() as u64)).as_ref(), Err(error));
    }
}

/// The parts of a valid file.
struct Parts {
    header: Map<String, Value>,
    data: Vec<u8>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let (header, data) = bytes[8..].split_at(length);
        Self { header: serde_json::from_slice(header).unwrap(), data: data.to_vec() }
    }

    fn model() -> Self {
        Self::of(&write(&sample::model()).unwrap())
    }

    fn checkpoint() -> Self {
        Self::of(&write(&sample::checkpoint()).unwrap())
    }

    fn bytes(&self) -> Vec<u8> {
        file(&serde_json::to_vec(&self.header).unwrap(), &self.data)
    }

    /// The file after a change to its header.
    fn with(mut self, change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
        change(&mut self.header);
        self.bytes()
    }

    /// The file after a change to its manifest.
    fn with_manifest(self, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        self.with(|header| {
            let manifest = &mut header["__metadata__"]["lorito.manifest"];
            let mut value: Value = serde_json::from_str(manifest.as_str().unwrap()).unwrap();
            change(&mut value);
            *manifest = value.to_string().into();
        })
    }
}

fn file(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

const TOKENS: &str = "transformer.wte.weight";
const POSITIONS: &str = "transformer.wpe.weight";
const LAST: &str = "transformer.ln_f.bias";

#[test]
fn a_file_reassembled_from_its_parts_is_valid() {
    assert_eq!(read_watched(&Parts::model().bytes()).unwrap(), sample::model());
    assert_eq!(read_watched(&Parts::checkpoint().bytes()).unwrap(), sample::checkpoint());
}

#[test]
fn files_cut_off_anywhere_are_refused() {
    let bytes = write(&sample::model()).unwrap();
    let length = bytes.len() as u64;
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap());
    for found in [0, 1, 7, 8, 9, header - 1, header, header + 1, length - 1] {
        let expected = match found {
            0..8 => 8,
            _ if found < header => header,
            _ => length,
        };
        assert_eq!(refused(&bytes[..found as usize]), Error::FileTruncated { found, expected });
        assert!(check_header(&bytes, Some(found)).is_err());
    }
    // A download of unknown length that ends within its header.
    assert_eq!(check_header(&bytes[..100], None), Err(Error::FileTruncated { found: 100, expected: header }));
}

#[test]
fn files_longer_than_their_header_says_are_refused() {
    let bytes = [write(&sample::model()).unwrap(), vec![0; 5]].concat();
    let reason = "5 bytes follow the last tensor".into();
    assert_eq!(refused(&bytes), Error::SafetensorsInvalid { reason });
}

#[test]
fn headers_with_a_false_length_are_refused() {
    let mut bytes = write(&sample::model()).unwrap();
    for length in [LARGEST_HEADER + 1, 1 << 32, 1 << 63, u64::MAX - 7, u64::MAX] {
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(refused(&bytes), Error::HeaderTooLarge { bytes: length, limit: LARGEST_HEADER });
        // Detected before any of it is downloaded.
        assert_eq!(check_header(&bytes[..8], None).unwrap_err().code(), "header-too-large");
    }
    for length in [0u64, 1, 100] {
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(refused(&bytes).code(), "safetensors-invalid");
    }
    bytes[..8].copy_from_slice(&LARGEST_HEADER.to_le_bytes());
    let (found, expected) = (bytes.len() as u64, 8 + LARGEST_HEADER);
    assert_eq!(refused(&bytes), Error::FileTruncated { found, expected });
}

#[test]
fn headers_that_are_no_map_of_tensors_are_refused() {
    for header in [
        "hello",
        "[]",
        "{",
        "null",
        "3",
        "{} {}",
        "{\"a\": 1}",
        "{\"a\": {}}",
        "{\"__metadata__\": {\"a\": 1}}",
        "{\"a\": {\"dtype\": \"F31\", \"shape\": [], \"data_offsets\": [0, 4]}}",
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [-1], \"data_offsets\": [0, 4]}}",
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [1.5], \"data_offsets\": [0, 4]}}",
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0]}}",
    ] {
        assert_eq!(refused(&file(header.as_bytes(), &[0; 4])).code(), "safetensors-invalid", "{header}");
    }
    assert_eq!(refused(&file(b"{\"\xff\": 1}", &[])).code(), "safetensors-invalid");
    let nested = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    assert_eq!(refused(&file(format!("{{\"a\": {nested}}}").as_bytes(), &[])).code(), "safetensors-invalid");
}

#[test]
fn files_with_more_tensors_than_any_model_has_are_refused() {
    let tensors =
        (0..100_000).map(|index| format!("\"{index}\":{}", "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"));
    let header = format!("{{{}}}", tensors.collect::<Vec<_>>().join(","));
    assert!(refused(&file(header.as_bytes(), &[])).to_string().contains("too many tensors"));
}

#[test]
fn safetensors_files_without_a_manifest_are_refused() {
    let header = "{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}";
    let missing = "lorito.manifest".into();
    assert_eq!(refused(&file(header.as_bytes(), &[0; 4])), Error::NotALoritoModel { missing });
    assert_eq!(refused(&file(b"{}", &[])).code(), "not-a-lorito-model");
    for missing in ["lorito.manifest", "lorito.tokenizer", "lorito.hash"] {
        let bytes = Parts::model().with(|header| {
            header["__metadata__"].as_object_mut().unwrap().remove(missing);
        });
        assert_eq!(refused(&bytes), Error::NotALoritoModel { missing: missing.into() });
    }
}

#[test]
fn offsets_that_overlap_leave_gaps_or_point_outside_are_refused() {
    let data = Parts::model().data.len() as u64;
    for offsets in
        [[0, 0], [4, 8], [data, data + 4], [data - 4, data], [8, 4], [u64::MAX - 3, u64::MAX], [1 << 40, (1 << 40) + 4]]
    {
        for name in [TOKENS, LAST] {
            let bytes = Parts::model().with(|header| header[name]["data_offsets"] = json!(offsets));
            assert_eq!(refused(&bytes).code(), "safetensors-invalid", "{name} {offsets:?}");
        }
    }
    // Two tensors of one length at the same offset.
    let bytes = Parts::model().with(|header| {
        let place = header[LAST]["data_offsets"].clone();
        header["transformer.ln_f.weight"]["data_offsets"] = place;
    });
    assert_eq!(refused(&bytes).code(), "safetensors-invalid");
}

#[test]
fn shapes_with_too_many_elements_or_dimensions_are_refused() {
    for shape in [json!([u64::MAX, 2]), json!([1u64 << 32, 1u64 << 32]), json!([1u64 << 62]), json!([1u64 << 63])] {
        let bytes = Parts::model().with(|header| header[TOKENS]["shape"] = shape);
        assert_eq!(refused(&bytes).code(), "safetensors-invalid");
    }
    // Eight bytes for every two of the header: more than the file's length, but less than eight times the largest
    // header.
    let bytes = Parts::model().with(|header| header[TOKENS]["shape"] = json!(vec![1; 100_000]));
    assert_eq!(read(&bytes).unwrap_err().code(), "safetensors-invalid");
}

#[test]
fn tensors_of_another_type_are_refused() {
    // Half the bytes would be a complete tensor of half precision.
    let bytes = Parts::model().with(|header| {
        header[LAST]["dtype"] = "F16".into();
        header[LAST]["shape"] = json!([32]);
    });
    assert_eq!(
        refused(&bytes),
        Error::TensorType { tensor: LAST.into(), found: "F16".into(), supported: vec!["F32".into()] }
    );
    let bytes = Parts::model().with(|header| header[LAST]["dtype"] = "I32".into());
    assert_eq!(
        refused(&bytes),
        Error::TensorType { tensor: LAST.into(), found: "I32".into(), supported: vec!["F32".into()] }
    );
    // The length does not match the type.
    let bytes = Parts::model().with(|header| header[LAST]["dtype"] = "F64".into());
    assert_eq!(refused(&bytes).code(), "safetensors-invalid");
}

#[test]
fn shapes_other_than_the_configurations_are_refused() {
    let bytes = Parts::model().with(|header| header[POSITIONS]["shape"] = json!([16, 24]));
    let (found, expected) = (vec![16, 24], vec![24, 16]);
    assert_eq!(refused(&bytes), Error::TensorShape { tensor: POSITIONS.into(), found, expected });
    let bytes = Parts::model().with_manifest(|manifest| manifest["config"]["context"] = 25.into());
    let (found, expected) = (vec![24, 16], vec![25, 16]);
    assert_eq!(refused(&bytes), Error::TensorShape { tensor: POSITIONS.into(), found, expected });
    let bytes = Parts::model().with(|header| header["lorito.steps"]["shape"] = json!([4, 3]));
    assert_eq!(refused(&bytes).code(), "tensor-shape");
}

/// The name of the tensor that the error reports as missing.
fn missing(bytes: &[u8]) -> String {
    match refused(bytes) {
        Error::TensorMissing { tensor, .. } => tensor,
        error => panic!("{error:?}"),
    }
}

#[test]
fn missing_and_surplus_tensors_are_refused() {
    let bytes = Parts::model().with(|header| {
        let tensor = header.remove(LAST).unwrap();
        header.insert("transformer.ln_f.bia".into(), tensor);
    });
    assert_eq!(missing(&bytes), LAST);
    let bytes = Parts::model().with_manifest(|manifest| manifest["config"]["layers"] = 3.into());
    assert_eq!(missing(&bytes), "transformer.h.2.ln_1.weight");
    let bytes = Parts::model().with_manifest(|manifest| manifest["config"]["layers"] = 1.into());
    assert_eq!(refused(&bytes).code(), "safetensors-invalid");
    let bytes = Parts::model().with(|header| {
        let steps = header.remove("lorito.steps").unwrap();
        header.insert("lorito.other".into(), steps);
    });
    assert_eq!(missing(&bytes), "lorito.steps");

    let mut parts = Parts::model();
    let end = parts.data.len();
    parts.data.extend([0; 4]);
    let bytes = parts.with(|header| {
        header.insert("lm_head.bias".into(), json!({"dtype": "F32", "shape": [1], "data_offsets": [end, end + 4]}));
    });
    let reason = "no model has a tensor lm_head.bias".into();
    assert_eq!(refused(&bytes), Error::SafetensorsInvalid { reason });

    // A checkpoint without all of its moments.
    let name = format!("optimizer.second_moment.{LAST}");
    let bytes = Parts::checkpoint().with(|header| {
        let tensor = header.remove(&name).unwrap();
        header.insert("optimizer.second_moment.other".into(), tensor);
    });
    assert_eq!(missing(&bytes), name);
}

#[test]
fn duplicate_tensor_names_are_refused() {
    let header = serde_json::to_string(&Parts::model().header).unwrap();
    let data = Parts::model().data;
    let again = format!("{{\"{LAST}\": {},{}", Parts::model().header[LAST], &header[1..]);
    assert!(refused(&file(again.as_bytes(), &data)).to_string().contains("comes twice"));
    let again = format!("{{\"__metadata__\": {{}},{}", &header[1..]);
    assert!(refused(&file(again.as_bytes(), &data)).to_string().contains("comes twice"));
}

#[test]
fn unreadable_manifests_are_refused() {
    for manifest in ["", "hello", "[]", "{}", "{\"version\": \"1\"}", "{\"version\": 1}", "{\"version\": -1}"] {
        let bytes = Parts::model().with(|header| header["__metadata__"]["lorito.manifest"] = manifest.into());
        assert_eq!(refused(&bytes).code(), "checkpoint-damaged", "{manifest}");
    }
    let bytes = Parts::model().with_manifest(|manifest| manifest["config"]["layers"] = (-2).into());
    assert_eq!(refused(&bytes).code(), "checkpoint-damaged");
}

#[test]
fn files_of_a_future_version_are_refused() {
    // Whatever else the manifest contains.
    for manifest in ["{\"version\": 7}", "{\"version\": 7, \"config\": \"elsewhere\"}"] {
        let bytes = Parts::model().with(|header| header["__metadata__"]["lorito.manifest"] = manifest.into());
        assert_eq!(refused(&bytes), Error::CheckpointVersion { found: 7, supported: 6 });
    }
}

#[test]
fn configurations_of_impossible_models_are_refused() {
    for (setting, value) in [
        ("layers", json!(1_000_000_000u64)),
        ("layers", json!(u64::MAX)),
        ("layers", json!(0)),
        ("width", json!(1u64 << 40)),
        ("heads", json!(3)),
        ("heads", json!(0)),
        ("context", json!(0)),
        ("vocabulary", json!(1u64 << 50)),
        ("dropout", json!(7.0)),
    ] {
        let bytes = Parts::model().with_manifest(|manifest| manifest["config"][setting] = value.clone());
        assert_eq!(refused(&bytes).code(), "configuration-invalid", "{setting} {value}");
    }
    // A possible size, but not with 32 bits.
    let bytes = Parts::model().with_manifest(|manifest| {
        manifest["config"] = json!({"vocabulary": 262144, "context": 4096, "layers": 96, "heads": 1, "width": 4096,
            "dropout": 0.0});
    });
    assert_eq!(refused(&bytes).code(), "model-too-large");
}

#[test]
fn runs_that_cannot_be_resumed_are_refused() {
    for (setting, value) in [("batchSize", json!(1u64 << 60)), ("learningRate", json!(1e300)), ("beta1", json!(1.0))] {
        let bytes = Parts::checkpoint().with_manifest(|manifest| manifest["progress"]["config"][setting] = value);
        assert_eq!(refused(&bytes).code(), "configuration-invalid", "{setting}");
    }
    for (place, value) in [("step", 21), ("step", u64::MAX), ("startStep", 4), ("startStep", u64::MAX), ("updates", 9)]
    {
        let bytes = Parts::checkpoint().with_manifest(|manifest| manifest["progress"][place] = value.into());
        assert_eq!(refused(&bytes).code(), "checkpoint-damaged", "{place} {value}");
    }
}

#[test]
fn files_with_a_wrong_hash_are_refused() {
    let good = Parts::checkpoint();
    let damaged = |bytes: Vec<u8>| {
        let reason = "the hash is another".into();
        assert_eq!(refused(&bytes), Error::CheckpointDamaged { reason });
    };
    // A bit of a weight, of a moment, and of a step's metrics.
    for at in [good.data.len() / 4, good.data.len() - 1, 40] {
        let mut parts = Parts::checkpoint();
        parts.data[at] ^= 1;
        damaged(parts.bytes());
    }
    for hash in ["", "0000000000000000", "é"] {
        damaged(Parts::model().with(|header| header["__metadata__"]["lorito.hash"] = hash.into()));
    }
    damaged(Parts::model().with(|header| header["__metadata__"]["lorito.tokenizer"] = "{}".into()));
    damaged(Parts::model().with_manifest(|manifest| manifest["name"] = "another".into()));
    // Two tensors of the same shape, exchanged.
    damaged(Parts::model().with(|header| {
        let weight = header["transformer.ln_f.weight"].take();
        let bias = header[LAST].take();
        header["transformer.ln_f.weight"] = bias;
        header[LAST] = weight;
    }));
}

#[test]
fn tensors_can_be_stored_in_any_order() {
    // As saved by a tool that sorts by name.
    let Parts { header, data } = Parts::model();
    let mut sorted = Vec::new();
    let header: Map<String, Value> = header
        .into_iter()
        .map(|(name, mut info)| {
            if name != "__metadata__" {
                let [from, to] = [0, 1].map(|index| info["data_offsets"][index].as_u64().unwrap() as usize);
                info["data_offsets"] = json!([sorted.len(), sorted.len() + to - from]);
                sorted.extend_from_slice(&data[from..to]);
            }
            (name, info)
        })
        .collect();
    assert_ne!(sorted, data);
    assert_eq!(read(&Parts { header, data: sorted }.bytes()).unwrap(), sample::model());
}

#[test]
fn random_changes_never_cause_a_panic_or_open_as_another_model() {
    let model = sample::model();
    let good = write(&model).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for round in 0..4000 {
        let random = |index: u64| mix(mix(1337, round), index);
        let mut bytes = good.clone();
        for change in 0..1 + random(0) % 4 {
            // Mostly in the header, which has more to misread.
            let range = if random(10 * change + 1) % 8 == 0 { bytes.len() } else { header };
            let at = (random(10 * change + 2) % range as u64) as usize;
            match random(10 * change + 3) % 4 {
                0 => bytes[at] = random(10 * change + 4) as u8,
                1 => bytes[at] = b"0123456789[]{}\",:"[(random(10 * change + 5) % 17) as usize],
                _ => bytes[at] ^= 1 << (random(10 * change + 6) % 8),
            }
        }
        if round % 50 == 0 {
            bytes.truncate((random(1000) % bytes.len() as u64) as usize);
        }
        match read_watched(&bytes) {
            // A change to the same byte, or to an unused one, such as a space.
            Ok(read) => assert_eq!(read, model),
            Err(error) => {
                assert_header_gives(&bytes, &error);
                // Without the file's length its end cannot be checked; any other error must be the same.
                if let Err(early) = check_header(&bytes, None) {
                    assert!(early == error || error.code() == "file-truncated", "{early} instead of {error}");
                }
            }
        }
    }
}
