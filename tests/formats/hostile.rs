//! Files that are broken or lie. Each ends in the error that tells what is wrong, none in a panic, and none makes the
//! reader ask for much more memory than the file has.

use lorito::{
    error::Error,
    formats::{LARGEST_HEADER, check_header, read, write},
    train::mix,
};
use serde_json::{Map, Value, json};

use super::sample;
use crate::memory::largest;

/// Reads a file and refuses to let it have more than its length at once.
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

/// The header alone gives the error of a file, unless what is wrong lies behind it.
fn assert_header_gives(bytes: &[u8], error: &Error) {
    if !matches!(error, Error::CheckpointDamaged { .. }) {
        assert_eq!(check_header(bytes, Some(bytes.len() as u64)).as_ref(), Err(error));
    }
}

/// A valid file taken apart.
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
fn taken_apart_and_put_together_again_a_file_is_good() {
    assert_eq!(read_watched(&Parts::model().bytes()).unwrap(), sample::model());
    assert_eq!(read_watched(&Parts::checkpoint().bytes()).unwrap(), sample::checkpoint());
}

#[test]
fn cut_off_anywhere() {
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
    // A download that ends within its header, of a length nobody said.
    assert_eq!(check_header(&bytes[..100], None), Err(Error::FileTruncated { found: 100, expected: header }));
}

#[test]
fn longer_than_it_says() {
    let bytes = [write(&sample::model()).unwrap(), vec![0; 5]].concat();
    let reason = "5 bytes follow the last tensor".into();
    assert_eq!(refused(&bytes), Error::SafetensorsInvalid { reason });
}

#[test]
fn a_header_of_a_false_length() {
    let mut bytes = write(&sample::model()).unwrap();
    for length in [LARGEST_HEADER + 1, 1 << 32, 1 << 63, u64::MAX - 7, u64::MAX] {
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(refused(&bytes), Error::HeaderTooLarge { bytes: length, limit: LARGEST_HEADER });
        // Known before any of it has come.
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
fn a_header_that_is_no_map_of_tensors() {
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
fn more_tensors_than_any_model_has() {
    let tensors =
        (0..100_000).map(|index| format!("\"{index}\":{}", "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}"));
    let header = format!("{{{}}}", tensors.collect::<Vec<_>>().join(","));
    assert!(refused(&file(header.as_bytes(), &[])).to_string().contains("too many tensors"));
}

#[test]
fn a_plain_safetensors_file() {
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
fn offsets_that_overlap_leave_gaps_or_point_outside() {
    let data = Parts::model().data.len() as u64;
    for offsets in
        [[0, 0], [4, 8], [data, data + 4], [data - 4, data], [8, 4], [u64::MAX - 3, u64::MAX], [1 << 40, (1 << 40) + 4]]
    {
        for name in [TOKENS, LAST] {
            let bytes = Parts::model().with(|header| header[name]["data_offsets"] = json!(offsets));
            assert_eq!(refused(&bytes).code(), "safetensors-invalid", "{name} {offsets:?}");
        }
    }
    // Two of one length at one place.
    let bytes = Parts::model().with(|header| {
        let place = header[LAST]["data_offsets"].clone();
        header["transformer.ln_f.weight"]["data_offsets"] = place;
    });
    assert_eq!(refused(&bytes).code(), "safetensors-invalid");
}

#[test]
fn shapes_that_cannot_be_counted() {
    for shape in [json!([u64::MAX, 2]), json!([1u64 << 32, 1u64 << 32]), json!([1u64 << 62]), json!([1u64 << 63])] {
        let bytes = Parts::model().with(|header| header[TOKENS]["shape"] = shape);
        assert_eq!(refused(&bytes).code(), "safetensors-invalid");
    }
    // Eight bytes for every two of the header: not within the file's length, but within eight times the largest header.
    let bytes = Parts::model().with(|header| header[TOKENS]["shape"] = json!(vec![1; 100_000]));
    assert_eq!(read(&bytes).unwrap_err().code(), "safetensors-invalid");
}

#[test]
fn another_type() {
    // Half the numbers' bytes are read as all of a tensor of half the precision.
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
    // Not of the size that the type needs.
    let bytes = Parts::model().with(|header| header[LAST]["dtype"] = "F64".into());
    assert_eq!(refused(&bytes).code(), "safetensors-invalid");
}

#[test]
fn another_shape_than_the_configuration_says() {
    let bytes = Parts::model().with(|header| header[POSITIONS]["shape"] = json!([16, 24]));
    let (found, expected) = (vec![16, 24], vec![24, 16]);
    assert_eq!(refused(&bytes), Error::TensorShape { tensor: POSITIONS.into(), found, expected });
    let bytes = Parts::model().with_manifest(|manifest| manifest["config"]["context"] = 25.into());
    let (found, expected) = (vec![24, 16], vec![25, 16]);
    assert_eq!(refused(&bytes), Error::TensorShape { tensor: POSITIONS.into(), found, expected });
    let bytes = Parts::model().with(|header| header["lorito.steps"]["shape"] = json!([4, 3]));
    assert_eq!(refused(&bytes).code(), "tensor-shape");
}

/// The tensor that is told to be missing.
fn missing(bytes: &[u8]) -> String {
    match refused(bytes) {
        Error::TensorMissing { tensor, .. } => tensor,
        error => panic!("{error:?}"),
    }
}

#[test]
fn tensors_that_are_missing_or_too_many() {
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
fn a_name_that_comes_twice() {
    let header = serde_json::to_string(&Parts::model().header).unwrap();
    let data = Parts::model().data;
    let again = format!("{{\"{LAST}\": {},{}", Parts::model().header[LAST], &header[1..]);
    assert!(refused(&file(again.as_bytes(), &data)).to_string().contains("comes twice"));
    let again = format!("{{\"__metadata__\": {{}},{}", &header[1..]);
    assert!(refused(&file(again.as_bytes(), &data)).to_string().contains("comes twice"));
}

#[test]
fn a_manifest_that_cannot_be_read() {
    for manifest in ["", "hello", "[]", "{}", "{\"version\": \"1\"}", "{\"version\": 1}", "{\"version\": -1}"] {
        let bytes = Parts::model().with(|header| header["__metadata__"]["lorito.manifest"] = manifest.into());
        assert_eq!(refused(&bytes).code(), "checkpoint-damaged", "{manifest}");
    }
    let bytes = Parts::model().with_manifest(|manifest| manifest["config"]["layers"] = (-2).into());
    assert_eq!(refused(&bytes).code(), "checkpoint-damaged");
}

#[test]
fn a_version_of_the_future() {
    // Whatever else its manifest says.
    for manifest in ["{\"version\": 4}", "{\"version\": 4, \"config\": \"elsewhere\"}"] {
        let bytes = Parts::model().with(|header| header["__metadata__"]["lorito.manifest"] = manifest.into());
        assert_eq!(refused(&bytes), Error::CheckpointVersion { found: 4, supported: 3 });
    }
}

#[test]
fn configurations_of_impossible_models() {
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
    // Possible, but not in 32 bits.
    let bytes = Parts::model().with_manifest(|manifest| {
        manifest["config"] = json!({"vocabulary": 262144, "context": 4096, "layers": 96, "heads": 1, "width": 4096,
            "dropout": 0.0});
    });
    assert_eq!(refused(&bytes).code(), "model-too-large");
}

#[test]
fn runs_that_cannot_go_on() {
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
fn a_hash_of_something_else() {
    let good = Parts::checkpoint();
    let damaged = |bytes: Vec<u8>| {
        let reason = "the hash is another".into();
        assert_eq!(refused(&bytes), Error::CheckpointDamaged { reason });
    };
    // A bit of a weight, of a moment, and of a step's figures.
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
    // Two tensors of one shape that take each other's place.
    damaged(Parts::model().with(|header| {
        let weight = header["transformer.ln_f.weight"].take();
        let bias = header[LAST].take();
        header["transformer.ln_f.weight"] = bias;
        header[LAST] = weight;
    }));
}

#[test]
fn tensors_in_another_order_are_as_good() {
    // As a tool would save them that sorts by name.
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
fn bytes_changed_by_chance_never_panic_and_never_pass_as_another_model() {
    let model = sample::model();
    let good = write(&model).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    for round in 0..4000 {
        let random = |index: u64| mix(mix(1337, round), index);
        let mut bytes = good.clone();
        for change in 0..1 + random(0) % 4 {
            // Mostly in the header, where there is more to misread.
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
            // A change to itself, or to what is not used, such as a space.
            Ok(read) => assert_eq!(read, model),
            Err(error) => {
                assert_header_gives(&bytes, &error);
                // Without the file's length nothing is known of its end, and everything else is refused for the same reason.
                if let Err(early) = check_header(&bytes, None) {
                    assert!(early == error || error.code() == "file-truncated", "{early} instead of {error}");
                }
            }
        }
    }
}
