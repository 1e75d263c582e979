//! Weights that PyTorch has saved open with the same logits, and run nothing. `tests/fixtures/torch` has the script that
//! makes the files.

use std::{fs, path::PathBuf};

use futures_lite::future::block_on;
use lorito::{
    device::{CPU_LIMITS, Engine},
    error::Error,
    ops::Device,
    session::Session,
};

use crate::hugging_face::{Files, files, open, parts};
use crate::pretrained::assert_logits;

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torch").join(name)).unwrap()
}

/// A folder of tests/fixtures/pretrained whose weights are in PyTorch's files, by these names.
fn with_weights(folder: &str, weights: &[(&str, &str)]) -> Files {
    let mut files = files(folder);
    files.retain(|name, _| !name.contains(".safetensors"));
    files.extend(weights.iter().map(|(name, from)| ((*name).to_owned(), fixture(from))));
    files
}

fn prefixed() -> Files {
    with_weights("prefixed", &[("pytorch_model.bin", "prefixed.bin")])
}

fn sharded() -> Files {
    with_weights(
        "sharded",
        &[
            ("pytorch_model-00001-of-00002.bin", "sharded-00001-of-00002.bin"),
            ("pytorch_model-00002-of-00002.bin", "sharded-00002-of-00002.bin"),
            ("pytorch_model.bin.index.json", "sharded.index.json"),
        ],
    )
}

fn session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

#[test]
fn logits_equal_those_of_transformers() {
    let plain = with_weights("plain", &[("pytorch_model.bin", "plain.bin")]);
    for (name, files) in [("prefixed", prefixed()), ("plain", plain), ("sharded", sharded())] {
        let mut session = session();
        open(&mut session, &files).unwrap();
        assert_logits(&session, name);
    }
}

#[test]
fn only_the_headers_are_read_before_a_model_is_known_good() {
    for name in ["prefixed.bin", "plain.bin", "sharded-00001-of-00002.bin"] {
        let file = fixture(name);
        // Both fixtures are shorter than the first step, so a storage of a megabyte follows.
        let long = long_file(name.starts_with("plain"));
        for bytes in [file, long] {
            let held = parts("pytorch_model.bin", &bytes).unwrap().held();
            assert!(held < 150_000, "{name}: {held} of {}", bytes.len());
        }
    }
}

#[test]
fn incomplete_folders_are_refused() {
    let refused = |change: &dyn Fn(&mut Files), mut files: Files| {
        change(&mut files);
        open(&mut session(), &files).unwrap_err()
    };
    let without = |name: &'static str| move |files: &mut Files| drop(files.remove(name));
    let cut =
        |name: &'static str, length: usize| move |files: &mut Files| files.get_mut(name).unwrap().truncate(length);
    for (code, error) in [
        ("file-missing", refused(&without("config.json"), prefixed())),
        ("file-missing", refused(&without("pytorch_model.bin"), prefixed())),
        ("file-missing", refused(&without("pytorch_model-00001-of-00002.bin"), sharded())),
        ("torch-file-invalid", refused(&cut("pytorch_model.bin", 50_000), prefixed())),
        ("torch-file-invalid", refused(&cut("pytorch_model.bin", 100), prefixed())),
        ("torch-file-invalid", refused(&cut("pytorch_model.bin", 0), prefixed())),
        (
            "torch-file-invalid",
            refused(
                &|files| drop(files.insert("pytorch_model-1.bin".into(), fixture("sharded-00001-of-00002.bin"))),
                sharded(),
            ),
        ),
        (
            "git-lfs-pointer",
            refused(
                &|files| {
                    drop(
                        files.insert(
                            "pytorch_model.bin".into(),
                            b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
                        ),
                    )
                },
                prefixed(),
            ),
        ),
        ("tensor-missing", refused(&|files| drop(files.insert("pytorch_model.bin".into(), one_tensor())), prefixed())),
    ] {
        assert_eq!(error.code(), code, "{error:?}");
    }
}

/// A text of a pickle.
fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

fn number(number: i64) -> Vec<u8> {
    [&[0x8a, 8], &number.to_le_bytes()[..]].concat()
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

/// A storage of the form since PyTorch 1.6, or of the older one.
fn storage(of: &str, key: &str, length: i64, is_old: bool) -> Vec<u8> {
    let mut items = vec![text("storage"), global("torch", of), text(key), text("cpu"), number(length)];
    items.extend(is_old.then(|| b"N".to_vec()));
    [&tuple(&items)[..], b"Q"].concat()
}

fn ordered() -> Vec<u8> {
    [&global("collections", "OrderedDict")[..], b")R"].concat()
}

fn tensor(storage: Vec<u8>, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let numbers = |all: &[i64]| tuple(&all.iter().map(|&item| number(item)).collect::<Vec<_>>());
    let arguments = tuple(&[storage, number(offset), numbers(shape), numbers(strides), b"\x89".to_vec(), ordered()]);
    [global("torch._utils", "_rebuild_tensor_v2"), arguments, b"R".to_vec()].concat()
}

fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> = entries.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    [&[0x80, 2], &ordered()[..], b"(", &pairs, b"u."].concat()
}

/// An archive in which nothing is compressed; `size` is said of each file instead of its length, where given.
fn zip(entries: &[(&str, Vec<u8>)], method: u16) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let offset = (out.len() as u32).to_le_bytes();
        let size = (bytes.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        let common = [&[20, 0, 0, 0][..], &method.to_le_bytes(), &[0; 8], &size, &size, &name_length, &[0; 2]].concat();
        out.extend([b"PK\x03\x04", &common[..], name.as_bytes(), bytes].concat());
        directory.extend([&b"PK\x01\x02"[..], &[20, 0], &common, &[0; 10], &offset, name.as_bytes()].concat());
    }
    let (count, start) = ((entries.len() as u16).to_le_bytes(), (out.len() as u32).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    out.extend(directory);
    out.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &size, &start, &[0; 2]].concat());
    out
}

fn archive(pickle: Vec<u8>, numbers: Vec<u8>) -> Vec<u8> {
    zip(&[("a/data.pkl", pickle), ("a/byteorder", b"little".to_vec()), ("a/data/0", numbers)], 0)
}

/// An archive with one tensor of these arguments over a storage of four numbers.
fn with_tensor(offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    archive(dict(&[("w", tensor(storage("FloatStorage", "0", 4, false), offset, shape, strides))]), vec![0; 16])
}

fn one_tensor() -> Vec<u8> {
    with_tensor(0, &[2, 2], &[2, 1])
}

fn old(pickle: &[u8], rest: &[u8]) -> Vec<u8> {
    let facts = [&[0x80, 2][..], b"}", &text("little_endian"), b"\x88s."].concat();
    let start = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.";
    [&start[..], &facts, pickle, rest].concat()
}

/// The names of storages, and the storage of this name with a length before it.
fn keys(names: &[&str]) -> Vec<u8> {
    [&[0x80, 2][..], b"](", &names.iter().flat_map(|name| text(name)).collect::<Vec<_>>(), b"e."].concat()
}

fn long_file(is_old: bool) -> Vec<u8> {
    let pickle = dict(&[("w", tensor(storage("FloatStorage", "0", 1 << 18, is_old), 0, &[1 << 18], &[1]))]);
    match is_old {
        true => old(&pickle, &[keys(&["0"]), (1u64 << 18).to_le_bytes().to_vec(), vec![0; 1 << 20]].concat()),
        false => archive(pickle, vec![0; 1 << 20]),
    }
}

fn error(bytes: &[u8]) -> Error {
    match parts("pytorch_model.bin", bytes) {
        Err(error) => error,
        Ok(_) => panic!("it is accepted"),
    }
}

/// A pickle in an archive with a storage of four numbers.
fn of_pickle(pickle: &[&[u8]]) -> Error {
    error(&archive([&[0x80, 2], &pickle.concat()[..]].concat(), vec![0; 16]))
}

#[test]
fn nothing_that_a_pickle_could_run_is_run() {
    let refused = |found: &str| Error::PickleRefused { found: found.into() };
    let call = |module: &str, name: &str| of_pickle(&[&global(module, name), &text("touch /tmp/stolen"), b"\x85R."]);
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("__builtin__", "getattr"),
        ("subprocess", "Popen"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy", "dtype"),
        ("torch", "load"),
        ("torch", "hub.load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_tensor_v3"),
        ("torch._tensor", "_rebuild_from_type_v2"),
        ("collections", "OrderedDict.update"),
    ] {
        assert_eq!(call(module, name), refused(&format!("{module}.{name}")));
    }
    // The same by protocol 4.
    let stack_global = of_pickle(&[b"\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R."]);
    assert_eq!(stack_global, refused("os.system"));
    for (opcode, name) in [
        (&b"(ios\nsystem\n"[..], "INST"),
        (b"(\x8c\x02os\x8c\x06systemo", "OBJ"),
        (b"N)\x81", "NEWOBJ"),
        (b"N)}\x92", "NEWOBJ_EX"),
        (b"\x82\x01", "EXT1"),
        (b"Pos.system\n", "PERSID"),
        (b"\x97", "NEXT_BUFFER"),
        (b"\xff", "opcode 0xff"),
        (b"\x80\x63", "protocol 99"),
    ] {
        assert_eq!(of_pickle(&[opcode, b"."]), refused(name));
    }
    // Known names in other roles.
    for (what, pickle) in [
        ("a call of a text", vec![text("os.system"), b")R.".to_vec()]),
        ("an ordered dict of something", vec![global("collections", "OrderedDict"), text("a"), b"\x85R.".to_vec()]),
        ("a call of a storage", vec![global("torch", "FloatStorage"), b")R.".to_vec()]),
        ("a tensor of nothing", vec![global("torch._utils", "_rebuild_tensor_v2"), b")R.".to_vec()]),
        (
            "attributes of a tensor",
            vec![tensor(storage("FloatStorage", "0", 4, false), 0, &[4], &[1]), b"}b.".to_vec()],
        ),
        ("a persistent id that is a text", vec![text("module"), b"Q.".to_vec()]),
    ] {
        let pickle: Vec<&[u8]> = pickle.iter().map(Vec::as_slice).collect();
        assert_eq!(of_pickle(&pickle).code(), "pickle-refused", "{what}");
    }
}

#[test]
fn files_that_lie_about_themselves_are_refused() {
    let float = || storage("FloatStorage", "0", 4, false);
    let whole = || tensor(float(), 0, &[4], &[1]);
    let deep = |opcode: &[u8]| [&opcode.repeat(1_000_000)[..], b"."].concat();
    let entry = |name: &str| (name.to_owned(), dict(&[("w", whole())]));
    let zipped = |entries: &[(String, Vec<u8>)], method| {
        let entries: Vec<_> = entries.iter().map(|(name, bytes)| (&name[..], bytes.clone())).collect();
        error(&zip(&entries, method))
    };
    let numbers = ("a/data/0".to_owned(), vec![0; 16]);
    let mut outside = one_tensor();
    // The offset of the last entry in the directory.
    let at = outside.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    outside[at + 42..at + 46].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut far_directory = one_tensor();
    let end = far_directory.len();
    far_directory[end - 6..end - 2].copy_from_slice(&0xffff_fff0u32.to_le_bytes());
    let cases: Vec<(&str, &str, Error)> = vec![
        ("no magic number", "torch-file-invalid", error(b"hello, hello")),
        ("a pickle of something else", "torch-file-invalid", error(b"\x80\x02}q\x00.                             ")),
        ("no pickle", "torch-file-invalid", zipped(std::slice::from_ref(&numbers), 0)),
        ("two pickles", "torch-file-invalid", zipped(&[entry("a/data.pkl"), entry("b/data.pkl"), numbers.clone()], 0)),
        (
            "the same name twice",
            "torch-file-invalid",
            zipped(&[entry("a/data.pkl"), entry("a/data.pkl"), numbers.clone()], 0),
        ),
        ("a compressed file", "torch-file-invalid", zipped(&[entry("a/data.pkl"), numbers.clone()], 8)),
        ("no storage", "torch-file-invalid", zipped(&[entry("a/data.pkl")], 0)),
        (
            "a big-endian machine",
            "torch-file-invalid",
            zipped(&[entry("a/data.pkl"), ("a/byteorder".into(), b"big".to_vec()), numbers.clone()], 0),
        ),
        ("an entry outside the file", "torch-file-invalid", error(&outside)),
        ("a directory outside the file", "torch-file-invalid", error(&far_directory)),
        ("a shorter storage", "torch-file-invalid", error(&archive(dict(&[("w", whole())]), vec![0; 12]))),
        ("an offset beyond the storage", "torch-file-invalid", error(&with_tensor(5, &[1], &[1]))),
        ("a negative offset", "torch-file-invalid", error(&with_tensor(-1, &[1], &[1]))),
        ("a shape beyond the storage", "torch-file-invalid", error(&with_tensor(0, &[5], &[1]))),
        ("a shape that overflows", "torch-file-invalid", error(&with_tensor(0, &[1 << 60, 1 << 60], &[1 << 60, 1]))),
        ("strides that overflow", "torch-file-invalid", error(&with_tensor(0, &[2, 2], &[i64::MAX, i64::MAX]))),
        ("a negative length", "torch-file-invalid", error(&with_tensor(0, &[-4], &[1]))),
        ("strides of other axes", "torch-file-invalid", error(&with_tensor(0, &[4], &[1, 1]))),
        (
            "a storage of exabytes",
            "torch-file-invalid",
            error(&archive(
                dict(&[("w", tensor(storage("FloatStorage", "0", 1 << 62, false), 0, &[4], &[1]))]),
                vec![0; 16],
            )),
        ),
        (
            "the same tensor twice",
            "torch-file-invalid",
            error(&archive(dict(&[("w", whole()), ("w", whole())]), vec![0; 16])),
        ),
        ("a number as a tensor", "torch-file-invalid", error(&archive(dict(&[("w", number(3))]), vec![0; 16]))),
        (
            "a checkpoint with a state dict in it",
            "torch-file-invalid",
            error(&archive(dict(&[("model", ordered())]), vec![0; 16])),
        ),
        ("no dict", "torch-file-invalid", of_pickle(&[b"N."])),
        ("an empty stack", "torch-file-invalid", of_pickle(&[b"."])),
        ("a value from before a mark", "torch-file-invalid", of_pickle(&[b"N(\x85."])),
        ("no mark", "torch-file-invalid", of_pickle(&[b"Nt."])),
        ("a memo that is empty", "torch-file-invalid", of_pickle(&[b"h\x07."])),
        ("a key without a value", "torch-file-invalid", of_pickle(&[b"}(Nu."])),
        ("a text that is none", "torch-file-invalid", of_pickle(&[b"X\x02\x00\x00\x00\xff\xfe."])),
        ("a text of 4 GB", "file-truncated", of_pickle(&[b"X\xff\xff\xff\xff."])),
        ("a pickle without an end", "file-truncated", of_pickle(&[b"N"])),
        ("a million tuples in one another", "torch-file-invalid", of_pickle(&[b"N", &deep(b"\x85")])),
        ("a million open marks", "torch-file-invalid", of_pickle(&[&deep(b"(")])),
        ("a dict in itself", "torch-file-invalid", of_pickle(&[b"}q\x00\x8c\x01ah\x00s."])),
        ("a list in itself", "torch-file-invalid", of_pickle(&[b"]q\x00h\x00a."])),
        (
            "tuples of tuples that double",
            "torch-file-invalid",
            of_pickle(&[b"N", &b"q\x00h\x00h\x00\x86".repeat(10_000), b"."]),
        ),
        ("a pickle of 3 MB", "header-too-large", of_pickle(&[&b"N0".repeat(1_500_000), b"."])),
        ("an old file cut in a pickle", "file-truncated", error(&old(&dict(&[]), b"")[..60])),
        ("an old file of a storage that is missing", "torch-file-invalid", {
            error(&old(&dict(&[("w", tensor(storage("FloatStorage", "0", 4, true), 0, &[4], &[1]))]), &keys(&[])))
        }),
        ("an old file of a storage that nothing has", "torch-file-invalid", error(&old(&dict(&[]), &keys(&["1"])))),
        ("an old file without its numbers", "file-truncated", {
            error(&old(&dict(&[("w", tensor(storage("FloatStorage", "0", 4, true), 0, &[4], &[1]))]), &keys(&["0"])))
        }),
        ("an old file of another length", "torch-file-invalid", {
            let pickle = dict(&[("w", tensor(storage("FloatStorage", "0", 4, true), 0, &[4], &[1]))]);
            error(&old(&pickle, &[keys(&["0"]), vec![0; 24]].concat()))
        }),
        ("a storage of the other form", "pickle-refused", {
            error(&archive(dict(&[("w", tensor(storage("FloatStorage", "0", 4, true), 0, &[4], &[1]))]), vec![0; 16]))
        }),
    ];
    for (what, code, error) in cases {
        assert_eq!(error.code(), code, "{what}: {error:?}");
    }
}

#[test]
fn views_and_other_numbers_are_refused_only_where_they_are_weights() {
    let bias = "transformer.h.0.attn.c_proj.bias";
    let opened = |replaced: Vec<u8>, numbers: Vec<u8>| {
        let mut given = prefixed();
        given.remove("pytorch_model.bin");
        // All weights as PyTorch saved them, but for one of a file of its own.
        let bytes = without(&fixture("prefixed.bin"), bias);
        given.insert("pytorch_model-1.bin".into(), bytes);
        given.insert("pytorch_model-2.bin".into(), archive(dict(&[(bias, replaced)]), numbers));
        open(&mut session(), &given).map(drop)
    };
    let of = |kind: &str, length: i64| storage(kind, "0", length, false);
    assert_eq!(opened(tensor(of("FloatStorage", 16), 0, &[16], &[1]), vec![0; 64]), Ok(()));
    assert_eq!(opened(tensor(of("HalfStorage", 20), 4, &[16], &[1]), vec![0; 40]), Ok(()));
    let view = opened(tensor(of("FloatStorage", 32), 0, &[16], &[2]), vec![0; 128]);
    assert_eq!(view, Err(Error::TensorNotContiguous { tensor: bias.into(), strides: vec![2] }));
    let double = opened(tensor(of("DoubleStorage", 16), 0, &[16], &[1]), vec![0; 128]).unwrap_err();
    assert!(matches!(double, Error::TensorType { ref found, .. } if found == "F64"), "{double:?}");
    let nan = opened(tensor(of("FloatStorage", 16), 0, &[16], &[1]), f32::NAN.to_le_bytes().repeat(16));
    assert_eq!(nan, Err(Error::WeightsNotFinite { tensor: bias.into() }));
}

/// The same file, in which a tensor has another name of the same length, which no model has.
fn without(file: &[u8], name: &str) -> Vec<u8> {
    let mut bytes = file.to_vec();
    let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
    bytes[at] = b'x';
    bytes
}

#[test]
fn a_model_learns_after_it_was_opened() {
    let mut session = session();
    open(&mut session, &prefixed()).unwrap();
    let own = block_on(session.export_safetensors("own")).unwrap();
    let mut again = self::session();
    again.import_model(&own).unwrap();
    assert_logits(&again, "prefixed");
}
