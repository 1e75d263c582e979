// Classification of files by name: models and texts, and the choice of weights.

import { type SeenFile, shortNames, sortFiles } from "../../web/shared/kinds";
import { contentOf, type FolderFile, openFolder } from "../../web/worker/folder";
import { chooseWeights, namesInIndex, passedOverNotice } from "../../web/worker/weights";
import { expect, test } from "./guard";
import { onceIsEnough } from "./person";

onceIsEnough();

const data = new Blob();
const codeOf = (work: () => unknown) => {
  try {
    return work();
  } catch (thrown) {
    return thrown as { code: string };
  }
};

test("dropped files are sorted into models, runs and texts by their names", () => {
  const sorted = (...given: (string | SeenFile)[]) => {
    const seen = given.map((one) => (typeof one === "string" ? { name: one, data } : one));
    const { models, passedOver, runs, texts, others } = sortFiles(seen);
    const names = (files: { name: string }[]) => files.map(({ name }) => name);
    return { models: models.map(names), passedOver, runs: names(runs), texts: names(texts), others: names(others) };
  };
  const zip = (name: string, ...entries: string[]): SeenFile => ({ name, data, entries });
  const none = { models: [], passedOver: [], runs: [], texts: [], others: [] };
  const model = ["config.json", "tokenizer.json", "model.safetensors"];
  const adapter = ["adapter_config.json", "adapter_model.safetensors"];
  const at = (folder: string, names: string[]) => names.map((name) => `${folder}/${name}`);
  const cases: [Parameters<typeof sorted>, Partial<ReturnType<typeof sorted>>][] = [
    [["a.txt", "script.py", "NAMELESS"], { texts: ["a.txt", "script.py", "NAMELESS"] }],
    [
      ["run.lorito", "a.safetensors", "b.safetensors"],
      { runs: ["run.lorito"], models: [["a.safetensors"], ["b.safetensors"]] },
    ],
    [[...model, "README.md", "expected.json"], { models: [[...model, "README.md", "expected.json"]] }],
    // A text that the user drops beside a model's files is added; a model's own .txt is not.
    [[...model, "merges.txt", "novel.txt"], { models: [[...model, "merges.txt"]], texts: ["novel.txt"] }],
    [adapter, { models: [adapter] }],
    [[...model, ...adapter], { models: [[...model, ...adapter]] }],
    [
      at("gpt", [...model, "README.md", "onnx/config.json"]),
      { models: [at("gpt", [...model, "README.md", "onnx/config.json"])] },
    ],
    [[...at("base", model), ...at("thin", adapter)], { models: [[...at("base", model), ...at("thin", adapter)]] }],
    [[...at("two", model), ...at("one", model)], { models: [at("one", model)], passedOver: ["two"] }],
    [
      [...at("checkpoint-50", model), ...at("checkpoint-100", model)],
      { models: [at("checkpoint-100", model)], passedOver: ["checkpoint-50"] },
    ],
    // Trainers save earlier states in subfolders.
    [
      at("out", [...model, ...at("checkpoint-5", model)]),
      { models: [at("out", [...model, ...at("checkpoint-5", model)])] },
    ],
    [["config.json"], { models: [["config.json"]] }],
    // Other programs have a config.json, too.
    [
      at("notes", ["config.json", "monday.md", "cat.jpg"]),
      { texts: at("notes", ["config.json", "monday.md"]), others: ["notes/cat.jpg"] },
    ],
    [at("notes", ["a.txt", ".DS_Store", "._a.txt", "__MACOSX/a.txt"]), { texts: ["notes/a.txt"] }],
    [[zip("model.zip", ...at("models/mine", model), "models/README.md")], { models: [["model.zip"]] }],
    [[zip("thin.zip", ...adapter)], { models: [["thin.zip"]] }],
    [[zip("chats.zip", "a.txt", "b.jpg")], { texts: ["chats.zip"] }],
    [["small.gguf", "a.txt"], { models: [["small.gguf"]], texts: ["a.txt"] }],
    [
      ["b-00002-of-00002.gguf", "small.gguf", "b-00001-of-00002.gguf", "c-00001-of-00002.gguf"],
      {
        models: [["b-00002-of-00002.gguf", "b-00001-of-00002.gguf"], ["small.gguf"], ["c-00001-of-00002.gguf"]],
      },
    ],
    [
      at("gpt", ["config.json", "pytorch_model.bin", "vocab.json"]),
      { models: [at("gpt", ["config.json", "pytorch_model.bin", "vocab.json"])] },
    ],
    // Opening it says which files are missing.
    [["pytorch_model.bin"], { models: [["pytorch_model.bin"]] }],
    [[{ name: "letter.txt", data, isPage: true }, "a.txt"], { models: [["letter.txt"]], texts: ["a.txt"] }],
  ];
  for (const [given, right] of cases) expect(sorted(...given), JSON.stringify(given)).toEqual({ ...none, ...right });
});

test("texts of several folders keep their paths only if their names are equal", () => {
  expect(shortNames(["a/one.txt", "b/two.txt"])).toEqual(["one.txt", "two.txt"]);
  expect(shortNames(["a/one.txt", "b/one.txt", "two.txt"])).toEqual(["a/one.txt", "b/one.txt", "two.txt"]);
});

const shards = (before: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${before}-0000${index + 1}-of-0000${count}.safetensors`);

test("weight files are chosen like in transformers", () => {
  const two = shards("model", 2);
  const stale = shards("model", 3);
  const half = shards("model.fp16", 2);
  const bins = shards("pytorch_model", 2).map((name) => name.replace(".safetensors", ".bin"));
  const cases: [string[], string[] | undefined, string[], string[]][] = [
    [["model.safetensors"], undefined, ["model.safetensors"], []],
    [["model.safetensors", ...two], two, ["model.safetensors"], two],
    [["model.safetensors", "model.fp16.safetensors"], undefined, ["model.safetensors"], ["model.fp16.safetensors"]],
    [[...two, ...stale], two, two, stale],
    [[...two, ...half], two, two, half],
    // Files that the index names but that do not exist are reported when the model is opened.
    [two.slice(0, 1), two, two, []],
    [["odd.safetensors", "more.safetensors"], ["odd.safetensors"], ["odd.safetensors"], ["more.safetensors"]],
    [["weights-final.safetensors"], undefined, ["weights-final.safetensors"], []],
    [["weights.safetensors", "adapter_model.safetensors"], undefined, ["weights.safetensors"], []],
    [half, undefined, half, []],
    [two.slice(1), undefined, two, []],
    [[...two, ...half], undefined, [], [...two, ...half]],
    [["a.safetensors", "b.safetensors"], undefined, [], ["a.safetensors", "b.safetensors"]],
    [["config.json", "pytorch_model.bin", "training_args.bin"], undefined, ["pytorch_model.bin"], []],
    [["model.safetensors", "pytorch_model.bin"], undefined, ["model.safetensors"], []],
    [["pytorch_model.bin", ...bins], bins, ["pytorch_model.bin"], bins],
    [bins, undefined, bins, []],
    [[...bins, "pytorch_model.bin.index.json"], bins, bins, []],
    [["config.json", "small.Q4_K.gguf"], undefined, ["small.Q4_K.gguf"], []],
    [["a.gguf", "b.gguf"], undefined, [], ["a.gguf", "b.gguf"]],
    [["pytorch_model.bin", "a.gguf"], undefined, ["pytorch_model.bin"], []],
    [["deeper/model.safetensors"], undefined, [], []],
  ];
  for (const [names, indexed, weights, passedOver] of cases)
    expect(chooseWeights(names, indexed), names.join(" ")).toMatchObject({ weights, passedOver });
  expect(passedOverNotice(chooseWeights([...two, ...stale], two))).toEqual([
    { code: "weights-passed-over", used: two, names: stale },
  ]);
  expect(passedOverNotice(chooseWeights(two, two))).toEqual([]);
});

test("an invalid index, or one that refers outside its folder, is ignored", () => {
  const index = (map: unknown) => namesInIndex(JSON.stringify({ weight_map: map }));
  expect(index({ a: "two.safetensors", b: "one.safetensors", c: "two.safetensors" })).toEqual([
    "one.safetensors",
    "two.safetensors",
  ]);
  for (const map of [{}, null, { a: "../x.safetensors" }, { a: "x/y" }, { a: ".hidden" }, { a: 3 }, { a: "" }])
    expect(index(map), JSON.stringify(map)).toBeUndefined();
  expect(namesInIndex("no JSON")).toBeUndefined();
});

/** A file of so many bytes that records when it is unpacked. */
function file(name: string, size = 2, content = "{}", unpacked: string[] = []): FolderFile {
  const whole = async () => {
    unpacked.push(name);
    return new Blob([content]);
  };
  const part = async (from: number, to: number) => new TextEncoder().encode(content).slice(from, to);
  return { name, size, whole, part, start: (length) => part(0, length) };
}

test("a model and an adapter in one folder are both found, and a missing file is named", () => {
  const parts = (...names: string[]) => {
    const { base, adapter, notices } = contentOf(names.map((name) => file(name)));
    return { base: base?.map(({ name }) => name), adapter: adapter?.config.name, notices };
  };
  const model = ["config.json", "model.safetensors"];
  const adapter = ["adapter_config.json", "adapter_model.safetensors"];
  expect(parts(...model, ...adapter)).toMatchObject({ adapter: adapter[0], notices: [] });
  expect(parts(...adapter)).toEqual({ base: undefined, adapter: adapter[0], notices: [] });
  expect(parts("a/small.gguf", "a/README.md")).toMatchObject({ base: ["small.gguf", "README.md"], adapter: undefined });
  expect(parts("b/config.json", "b/w.safetensors", "a/adapter_config.json", "a/adapter_model.safetensors")).toEqual({
    base: ["config.json", "w.safetensors"],
    adapter: "a/adapter_config.json",
    notices: [],
  });
  // An adapter of an earlier run, or an incomplete one, is reported as left out.
  for (const left of ["run/adapter_config.json", "adapter_config.json"])
    expect(parts(...model, left)).toMatchObject({ notices: [{ code: "adapter-left-out", name: left }] });
  expect(codeOf(() => parts("adapter_config.json"))).toEqual({
    code: "file-missing",
    kind: "adapter",
    name: adapter[1],
  });
  expect(codeOf(() => parts("adapter_model.safetensors"))).toEqual({
    code: "file-missing",
    kind: "adapter",
    name: adapter[0],
  });
  expect(codeOf(() => parts("model.safetensors", "a.txt"))).toEqual({ code: "file-missing", name: "config.json" });
});

test("invalid models are refused before their weights are unpacked", async () => {
  const refused = async (files: FolderFile[], config = () => {}) => {
    const session = { use: async (work: (open: unknown) => unknown) => work({ checkPretrained: config }) };
    const signal = new AbortController().signal;
    const opening = { session, signal, progress: () => {} } as unknown as Parameters<typeof openFolder>[1];
    return openFolder(files, opening).catch((thrown) => thrown);
  };
  const unpacked: string[] = [];
  const weights = file("model.safetensors", 2 ** 31, "\0".repeat(16), unpacked);
  const other = () => {
    throw { code: "architecture-unsupported" };
  };
  expect(await refused([file("config.json"), weights], other)).toEqual({ code: "architecture-unsupported" });
  expect(await refused([file("config.json", 2 ** 26), weights])).toMatchObject({ code: "file-too-large" });
  const both = [file("a.safetensors", 9, "", unpacked), file("b.safetensors", 9, "", unpacked)];
  expect(await refused([file("config.json"), ...both])).toMatchObject({ code: "weights-unclear" });
  expect(await refused([file("config.json"), file(shards("model", 2)[0] ?? "", 9, "", unpacked)])).toEqual({
    code: "file-missing",
    name: "model-00002-of-00002.safetensors",
  });
  const huge = { ...weights, size: 2 ** 33 };
  expect(await refused([file("config.json"), huge])).toMatchObject({ code: "file-too-large" });
  expect(unpacked).toEqual([]);
});
