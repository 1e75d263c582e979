// What is told from names alone: which repository is meant, which of its files are needed, which tables they make.
import { tablesOf } from "../../web/hub/dataset";
import { neededFiles } from "../../web/hub/model";
import { hubAddress, placeName, placeOf } from "../../web/hub/place";
import type { HubFile } from "../../web/hub/types";
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

test("names and addresses of repositories", () => {
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

test("addresses of hubs", () => {
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

test("of a model's files only those that are needed are fetched", () => {
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
  expect(needed("config.json", "adapter_model.safetensors", ...shards, index)).toEqual([
    "config.json",
    index,
    ...shards,
  ]);
  expect(needed("README.md", "mine.safetensors")).toEqual(["mine.safetensors"]);
  expect(codeOf(() => needed("config.json", "pytorch_model.bin"))).toBe("hub-no-safetensors");
  expect(codeOf(() => needed("config.json", "a.safetensors", "b.safetensors"))).toBe("hub-no-model");
  expect(codeOf(() => neededFiles(place, [{ path: "model.safetensors", bytes: 2 ** 33, hash: "" }]))).toBe(
    "hub-too-large",
  );
});

test("tables of a dataset, as the hub and as people lay them out", () => {
  const tables = (...paths: string[]) =>
    tablesOf(files(...paths)).map(({ config, split, files }) => `${config} ${split} ${files.length}`);
  expect(
    tables(
      "default/train/0001.parquet",
      "default/train/0000.parquet",
      "default/test/0000.parquet",
      "en/partial-train/0000.parquet",
    ),
  ).toEqual(["default test 1", "default train 2", "en partial-train 1"]);
  expect(tables("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "README.md")).toEqual([
    "default train 2",
  ]);
  expect(tables("plain_text/test-00000-of-00001.parquet", "validation.parquet", "0000.parquet")).toEqual([
    "default train 1",
    "plain_text test 1",
    "default validation 1",
  ]);
});
