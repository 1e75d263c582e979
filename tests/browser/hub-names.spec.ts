// Parsing of hub names: the repository, the needed files of a model, and the tables of a dataset.

import { hubAddress, placeName, placeOf } from "../../web/shared/hub/place";
import type { HubFile } from "../../web/shared/hub/types";
import { neededFiles } from "../../web/worker/hub/needed";
import { tablesOf } from "../../web/worker/hub/tables";
import { expect, test } from "./guard";
import { onceIsEnough } from "./person";

onceIsEnough();

const hub = "https://hub.example/mirror";
const codeOf = (work: () => unknown) => {
  try {
    return work();
  } catch (thrown) {
    return (thrown as { code: string }).code;
  }
};

test("names and addresses of repositories are parsed", () => {
  const place = (text: string, type: "model" | "dataset" = "model") => {
    const { hub: at, name, revision } = placeOf(text, type, hub);
    return [at, name, revision];
  };
  for (const [text, at, name, revision] of [
    ["gpt2", hub, "gpt2", "main"],
    [" openai-community/gpt2 ", hub, "openai-community/gpt2", "main"],
    ["hf:openai-community/gpt2", hub, "openai-community/gpt2", "main"],
    ["HF://openai-community/gpt2@refs/pr/3", hub, "openai-community/gpt2", "refs/pr/3"],
    ["models/a/b@v1.0", hub, "a/b", "v1.0"],
    [`${hub}/a/b`, hub, "a/b", "main"],
    [`${hub}/a/b/tree/dev`, hub, "a/b", "dev"],
    ["https://huggingface.co/a/b.c/blob/main/config.json?download=true#L3", "https://huggingface.co", "a/b.c", "main"],
    ["https://me:secret@huggingface.co/a/b/tree/refs%2Fpr%2F3", "https://huggingface.co", "a/b", "refs/pr/3"],
    ["https://huggingface.co/gpt2/resolve/0123abc/model.safetensors", "https://huggingface.co", "gpt2", "0123abc"],
  ])
    expect(place(text ?? ""), text).toEqual([at, name, revision]);
  expect(place("https://huggingface.co/datasets/a/b/viewer", "dataset" as const)).toEqual([
    "https://huggingface.co",
    "a/b",
    "main",
  ]);
  expect(place("datasets/squad", "dataset")).toEqual([hub, "squad", "main"]);
  expect(placeName(placeOf("a/b@refs/convert/parquet", "dataset", hub))).toBe("datasets/a/b");
  for (const text of [
    "",
    "/",
    "a/b/c",
    "../a",
    "a/..",
    "a b/c",
    "a--b/c",
    "datasets/a/b",
    "hf:",
    "https://",
    "@main",
    "a/%2e%2e",
  ])
    expect(
      codeOf(() => placeOf(text, "model", hub)),
      text,
    ).toBe("hub-name-invalid");
  expect(codeOf(() => placeOf("spaces/a/b", "model", hub))).toBe("hub-name-invalid");
});

test("addresses of hubs are parsed", () => {
  expect(hubAddress(" https://hub.example/mirror/?a=1#b ")).toBe(hub);
  expect(hubAddress("http://localhost:8080")).toBe("http://localhost:8080");
  for (const text of ["", "hub.example", "javascript:alert(1)", "ftp://hub.example", "file:///etc"])
    expect(
      codeOf(() => hubAddress(text)),
      text,
    ).toBe("address-invalid");
});

const files = (...paths: string[]): HubFile[] => paths.map((path) => ({ path, bytes: 10, hash: "" }));
const place = placeOf("a/b", "model", hub);

test("only the needed files of a model are fetched", () => {
  const needed = (...paths: string[]) => neededFiles(place, files(...paths)).map(({ path }) => path);
  const gpt2 = [
    "64.tflite",
    "README.md",
    "config.json",
    "flax_model.msgpack",
    "merges.txt",
    "model.safetensors",
    "onnx/model.onnx",
  ];
  expect(
    needed(...gpt2, "pytorch_model.bin", "rust_model.ot", "tokenizer.json", "tokenizer_config.json", "vocab.json"),
  ).toEqual(["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]);
  expect(needed("config.json", "merges.txt", "vocab.json", "model.safetensors")).toEqual([
    "config.json",
    "merges.txt",
    "vocab.json",
    "model.safetensors",
  ]);
  const shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const index = "model.safetensors.index.json";
  const others = ["model-00001-of-00003.safetensors", "model.fp16-00001-of-00002.safetensors", "old.safetensors"];
  const all = ["config.json", "adapter_model.safetensors", ...others, ...shards, index];
  const byIndex = neededFiles(place, files(...all), shards).map(({ path }) => path);
  expect(byIndex).toEqual(["config.json", index, ...shards]);
  // An index beside model.safetensors is ignored.
  expect(needed("config.json", ...shards, index, "model.safetensors")).toEqual(["config.json", "model.safetensors"]);
  expect(codeOf(() => neededFiles(place, files("config.json", index), shards))).toBe("hub-file-missing");
  const adapter = ["adapter_config.json", "adapter_model.safetensors"];
  expect(needed("README.md", ...adapter)).toEqual(adapter);
  expect(needed("config.json", "model.safetensors", ...adapter)).toEqual([
    "config.json",
    "adapter_config.json",
    "model.safetensors",
    "adapter_model.safetensors",
  ]);
  expect(needed("README.md", "mine.safetensors")).toEqual(["mine.safetensors"]);
  const bin = ["config.json", "merges.txt", "vocab.json", "pytorch_model.bin"];
  expect(needed(...bin, "flax_model.msgpack", "training_args.bin", "tf_model.h5")).toEqual(bin);
  expect(needed("README.md", "config.json", "small.Q8_0.gguf")).toEqual(["small.Q8_0.gguf"]);
  for (const others of [["tf_model.h5"], ["small.Q4_0.gguf", "small.Q8_0.gguf"]])
    expect(codeOf(() => needed("config.json", ...others))).toBe("hub-no-safetensors");
  expect(codeOf(() => needed("config.json", "a.safetensors", "b.safetensors"))).toBe("hub-no-model");
  expect(codeOf(() => neededFiles(place, [{ path: "model.safetensors", bytes: 2 ** 33, hash: "" }]))).toBe(
    "hub-too-large",
  );
});

test("tables of a dataset are found in the layouts of the hub and of users", () => {
  const tables = (paths: string[]) =>
    tablesOf(files(...paths)).map(
      ({ config, split, isPartial, files }) => `${config} ${split} ${files.length}${isPartial ? " in part" : ""}`,
    );
  const hash = ["6e587552aa3c8ac8", "0b1c2d3e4f506172", "aa11bb22cc33dd44"];
  const cases: [string[], string[]][] = [
    [
      ["default/train/0001.parquet", "default/train/0000.parquet", "default/test/0000.parquet"],
      ["default test 1", "default train 2"],
    ],
    // The hub converts only the beginning of a large split.
    [["en/partial-train/0000.parquet", "en/partial-train/0001.parquet"], ["en train 2 in part"]],
    [["data/partial-train-00000-of-00001.parquet"], ["default train 1 in part"]],
    [["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "README.md"], ["default train 2"]],
    [
      [
        `data/train-00000-of-00002-${hash[0]}.parquet`,
        `data/train-00001-of-00002-${hash[1]}.parquet`,
        `data/validation-00000-of-00001-${hash[2]}.parquet`,
      ],
      ["default train 2", "default validation 1"],
    ],
    [
      ["plain_text/test-00000-of-00001.parquet", "validation.parquet", "0000.parquet"],
      ["default train 1", "plain_text test 1", "default validation 1"],
    ],
    [["train_0.parquet", "train_1.parquet", "train_10.parquet", "train_2.parquet"], ["default train 4"]],
    [
      ["train1.parquet", "train2.parquet", "test.parquet"],
      ["default test 1", "default train 2"],
    ],
    [
      ["stories1.parquet", "stories2.parquet", "poems.parquet"],
      ["default poems 1", "default stories 2"],
    ],
    [["wiki_2020.parquet"], ["default wiki_2020 1"]],
    [["year=2023/month=1/part-0.parquet", "year=2024/month=1/part-0.parquet"], ["default train 2"]],
    [["en/year=2023/part-0.parquet", "en/year=2024/part-0.parquet"], ["en train 2"]],
    [
      ["split=test/part-0.parquet", "split=train/part-0.parquet"],
      ["default test 1", "default train 1"],
    ],
    [["data/2023/00/a1.parquet", "data/2024/01/a2.parquet"], ["default a 2"]],
    [["sample/10BT/000_00000.parquet", "sample/10BT/001_00000.parquet"], ["sample/10BT train 2"]],
    [
      ["wikitext-103-raw-v1/train-00000-of-00001.parquet", "wikitext-2-raw-v1/train-00000-of-00001.parquet"],
      ["wikitext-2-raw-v1 train 1", "wikitext-103-raw-v1 train 1"],
    ],
    [
      ["data/train_r1-00000-of-00001.parquet", "data/train_r2-00000-of-00001.parquet"],
      ["default train_r1 1", "default train_r2 1"],
    ],
    [
      [
        "part-00000-8b1f2c3d-0000-4abc-9def-0123456789ab-c000.snappy.parquet",
        "part-00001-8b1f2c3d-0000-4abc-9def-0123456789ab-c000.snappy.parquet",
      ],
      ["default train 2"],
    ],
    [
      ["train/part-0.parquet", "train/part-1.parquet", "dev/part-0.parquet"],
      ["default dev 1", "default train 2"],
    ],
    [[`${hash[0]}.parquet`, `${hash[1]}.parquet`], ["default train 2"]],
    [
      ["en/train-00000-of-00001.parquet", "es/train-00000-of-00001.parquet"],
      ["en train 1", "es train 1"],
    ],
    [["shard-0/train.parquet", "shard-1/train.parquet"], ["default train 2"]],
  ];
  for (const [paths, right] of cases) expect(tables(paths), paths.join(" ")).toEqual(right);
});
