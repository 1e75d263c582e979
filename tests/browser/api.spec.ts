// Tests window.lorito, method by method, on both engines.
import { gzipSync } from "node:zlib";
import { expect, test } from "./guard";
import { open, prepare, problem, ready, text, tinyModel, tinyRun } from "./lorito";
import { onceIsEnough } from "./person";

test.describe("the engine", () => {
  test("is the one that the address requests", async ({ page }, { project }) => {
    await open(page, project.name);
    const info = await page.evaluate(() => window.lorito.ready);
    expect(info).toMatchObject({ engine: project.name, reason: "forced" });
    expect(info.limits.largestBuffer).toBeGreaterThan(2 ** 20);
  });

  test("is the CPU if the GPU is software or missing", async ({ page }, { project }) => {
    await page.goto("");
    await ready(page);
    const { engine, reason } = await page.evaluate(() => window.lorito.ready);
    expect(engine).toBe("cpu");
    expect(project.name === "webgpu" ? ["software-adapter"] : ["no-adapter", "no-webgpu"]).toContain(reason);
  });

  test("reports an error if it is requested and cannot start", async ({ page }, { project }) => {
    test.skip(project.name === "webgpu", "there it can");
    await page.goto("?engine=webgpu");
    await page.waitForFunction(() => "lorito" in window);
    expect(await problem(page, "ready")).toMatchObject({ code: "web-gpu-unavailable", class: "LoritoError" });
    expect(await problem(page, "encode('a')")).toMatchObject({ code: "web-gpu-unavailable" });
  });
});

test("arguments of the wrong type are refused where a string is expected, without data loss", async ({ page }, {
  project,
}) => {
  await open(page, project.name);
  await prepare(page);
  const before = await page.evaluate(() => window.lorito.textSummary());
  for (const call of [
    "addText(new File(['words'.repeat(999)], 'a.txt'), 'words')",
    "encode(7)",
    "learnedTokens(undefined)",
  ])
    expect(await problem(page, call)).toMatchObject({ code: "not-a-string", class: "LoritoError" });
  expect(await page.evaluate(() => window.lorito.textSummary())).toEqual(before);
  expect(page.workers()).toHaveLength(1);
});

test("training reports its progress, and a second call continues it", async ({ page }, { project }) => {
  await open(page, project.name);
  await prepare(page);
  const seen = await page.evaluate(async (run) => {
    const { lorito } = window;
    const told = {
      phases: [] as string[],
      evaluations: [] as number[],
      samples: [] as number[],
      saved: [] as number[],
    };
    lorito.on("phase", ({ phase }) => told.phases.push(phase));
    lorito.on("evaluation", ({ step }) => told.evaluations.push(step));
    lorito.on("sample", ({ step }) => told.samples.push(step));
    lorito.on("saved", ({ step }) => told.saved.push(step));
    const records: number[] = [];
    let last: unknown;
    const first = await lorito.train({
      ...run,
      steps: 20,
      onProgress: (progress) => {
        records.push(...progress.records.map(({ step }) => step));
        last = progress;
      },
    });
    const second = await lorito.train({ ...run, steps: 5 });
    return { first, second, told, records, last, history: await lorito.history() };
  }, tinyRun);
  expect(seen.first).toMatchObject({ step: 20 });
  expect(seen.second).toMatchObject({ step: 25 });
  expect(seen.first.trainLoss).toBe(seen.history.steps[19]?.loss);
  expect(seen.first.validationLoss).toBe(seen.history.evaluations.find(({ step }) => step === 20)?.validationLoss);
  expect(seen.first.tokensPerSecond).toBeGreaterThan(0);
  expect(seen.records).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(seen.last).toMatchObject({ step: 20, endStep: 20 });
  expect(seen.told.evaluations).toEqual([0, 10, 20, 25]);
  expect(seen.told.samples).toEqual([0, 10, 20, 25]);
  expect(seen.told.phases).toEqual(["training", "idle", "training", "idle"]);
  // Each call saves a checkpoint at its start and end; those in between depend on the machine's speed.
  expect(seen.told.saved.slice(0, 1)).toEqual([0]);
  expect(seen.told.saved.filter((step) => step === 20).length).toBeGreaterThanOrEqual(2);
  expect(seen.told.saved.at(-1)).toBe(25);
  expect(seen.told.saved).toEqual(seen.told.saved.toSorted((one, other) => one - other));
  expect(seen.history.steps).toHaveLength(25);
  const [start, end] = [seen.history.steps[0]?.loss ?? 0, seen.history.steps[24]?.loss ?? 9];
  expect(end).toBeLessThan(start - 0.5);
});

test("the same seed and text give the same losses, also with dropout and when a text is added meanwhile", async ({
  page,
}, { project }) => {
  await open(page, project.name);
  const losses = async (seed: number, meanwhile?: string) => {
    await prepare(page);
    return page.evaluate(
      async ([run, model, seed, meanwhile]) => {
        const { lorito } = window;
        await lorito.createModel({ ...model, dropout: 0.2 });
        const begun = new Promise<void>((resolve) => lorito.on("evaluation", () => resolve()));
        const training = lorito.train({ ...run, steps: 12, seed });
        await begun;
        if (meanwhile) await lorito.addText("other.txt", meanwhile);
        await training;
        return (await lorito.history()).steps.map(({ loss }) => loss);
      },
      [tinyRun, tinyModel, seed, meanwhile] as const,
    );
  };
  const first = await losses(5);
  expect(first).toHaveLength(12);
  expect(await losses(5, "Something else altogether, XYZ. ".repeat(500))).toEqual(first);
  expect(await losses(6)).not.toEqual(first);
});

test("pause, resume and stop take effect between steps", async ({ page }, { project }) => {
  await open(page, project.name);
  await prepare(page);
  const seen = await page.evaluate(async (run) => {
    const { lorito } = window;
    const phase = (wanted: string) =>
      new Promise<void>((resolve) => {
        const end = lorito.on("phase", (event) => {
          if (event.phase !== wanted) return;
          end();
          resolve();
        });
      });
    const evaluated = new Promise<void>((resolve) => lorito.on("sample", () => resolve()));
    const training = lorito.train({ ...run, steps: 100_000, evalEvery: 100_000 });
    await evaluated;
    const pause = phase("paused");
    lorito.pause();
    await pause;
    const before = (await lorito.history()).steps.length;
    const busy = await lorito.train({ steps: 1 }).catch((error) => error.code);
    const exclusive = await lorito.createModel({ preset: "tiny" }).catch((error) => error.code);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = (await lorito.history()).steps.length;
    const resumed = new Promise<void>((resolve) => lorito.on("progress", () => resolve()));
    lorito.resume();
    await resumed;
    const asked = performance.now();
    lorito.stop();
    const result = await training;
    return { before, after, busy, exclusive, result, stopTook: performance.now() - asked };
  }, tinyRun);
  expect(seen.after).toBe(seen.before);
  expect(seen.busy).toBe("busy");
  expect(seen.exclusive).toBe("busy");
  expect(seen.result.step).toBeGreaterThan(seen.before);
  expect(seen.result.step).toBeLessThan(100_000);
  expect(seen.stopTook).toBeLessThan(5000);
});

test("text is generated greedily, by seed, piece by piece, and during training", async ({ page }, { project }) => {
  await open(page, project.name);
  expect(await problem(page, "generate('a', {})")).toMatchObject({ code: "no-model" });
  await prepare(page);
  const seen = await page.evaluate(async (run) => {
    const { lorito } = window;
    await lorito.train({ ...run, steps: 10 });
    const pieces: string[] = [];
    const phases: string[] = [];
    const end = lorito.on("phase", ({ phase }) => phases.push(phase));
    const greedy = { maxTokens: 40, temperature: 0 };
    const one = await lorito.generate("Day 1", { ...greedy, onToken: (piece) => pieces.push(piece) });
    end();
    const other = await lorito.generate("Day 1", greedy);
    const uncached = await lorito.generate("Day 1", { ...greedy, cache: false });
    const dice = { maxTokens: 40, temperature: 1, topK: 20, topP: 0.9, repetitionPenalty: 1.1 };
    const [seeded, again, different] = [
      await lorito.generate("The ", { ...dice, seed: 3 }),
      await lorito.generate("The ", { ...dice, seed: 3 }),
      await lorito.generate("The ", { ...dice, seed: 4 }),
    ];
    const empty = await lorito.generate("", { ...dice, seed: 5 });
    const begun = new Promise<void>((resolve) => lorito.on("progress", () => resolve()));
    const training = lorito.train({ ...run, steps: 100_000, evalEvery: 100_000 });
    await begun;
    const during = await lorito.generate("The ", { ...dice, seed: 3 });
    lorito.stop();
    await training;
    return { one, other, uncached, pieces, phases, seeded, again, different, empty, during };
  }, tinyRun);
  expect(seen.one.length).toBeGreaterThan(0);
  expect(seen.pieces.join("")).toBe(seen.one);
  expect(seen.other).toBe(seen.one);
  expect(seen.uncached).toBe(seen.one);
  expect(seen.phases).toEqual(["writing", "idle"]);
  expect(seen.again).toBe(seen.seeded);
  expect(seen.different).not.toBe(seen.seeded);
  expect(seen.during.length).toBeGreaterThan(0);
});

test("a generation stops within 100 ms", { tag: "@alone" }, async ({ page }, { project }) => {
  await open(page, project.name);
  await prepare(page);
  const seen = await page.evaluate(async () => {
    const { lorito } = window;
    let first = () => {};
    const begun = new Promise<void>((resolve) => {
      first = resolve;
    });
    let text = "";
    const writing = lorito.generate("Day", {
      maxTokens: 1_000_000,
      onToken: (piece) => {
        text += piece;
        first();
      },
    });
    await begun;
    const asked = performance.now();
    lorito.stopWriting();
    const written = await writing;
    const took = performance.now() - asked;
    // The worker is free again, too.
    const next = await lorito.generate("Day", { maxTokens: 3 });
    return { took, same: written === text, next, whole: performance.now() - asked };
  });
  expect(seen.took).toBeLessThan(100);
  expect(seen.same).toBe(true);
  expect(seen.next.length).toBeGreaterThan(0);
});

test.describe("one engine is enough", () => {
  onceIsEnough();

  test("texts are added as strings, bytes and files, and removed", async ({ page }, { project }) => {
    await open(page, project.name);
    const packed = [...gzipSync("Packed, but readable.")];
    const seen = await page.evaluate(
      async ([log, gz]) => {
        const { lorito } = window;
        const told: number[] = [];
        lorito.on("text", ({ documents }) => told.push(documents));
        const loaded: number[] = [];
        const first = await lorito.addText("log.txt", log, { onProgress: (done) => loaded.push(done) });
        const second = await lorito.addText("bytes.txt", new TextEncoder().encode("Ünïcödé bytes."));
        const third = await lorito.addText("packed.txt.gz", new Blob([new Uint8Array(gz)]));
        const fourth = await lorito.addText(
          "rows.jsonl",
          '{"id":"a","body":"One row."}\n{"id":"b","body":"Two rows."}',
          {
            field: "body",
          },
        );
        const removed = await lorito.removeText(1);
        const cleared = await lorito.clearText();
        return { first, second, third, fourth, removed, cleared, told, loaded, length: [...log].length };
      },
      [text, packed] as const,
    );
    expect(seen.first).toMatchObject({ documents: 1, characters: seen.length });
    expect(seen.loaded.at(-1)).toBe(new TextEncoder().encode(text).length);
    expect(seen.second.documents).toBe(2);
    expect(seen.third.characters).toBe(seen.second.characters + "Packed, but readable.".length);
    expect(seen.fourth.documents).toBe(5);
    expect(seen.removed.sources.map(({ name }) => name)).toEqual(["log.txt", "packed.txt.gz", "rows.jsonl"]);
    expect(seen.cleared.documents).toBe(0);
    expect(seen.told).toEqual([1, 2, 3, 5, 4, 0]);
  });

  test("an unreadable text leaves the others unchanged", async ({ page }, { project }) => {
    await open(page, project.name);
    await page.evaluate((log) => window.lorito.addText("log.txt", log), text);
    expect(await problem(page, "addText('empty.txt', '')")).toMatchObject({ code: "file-empty", name: "empty.txt" });
    expect(await problem(page, "addText('x.bin', new Uint8Array(4096))")).toMatchObject({ code: "file-binary" });
    expect(await problem(page, "addText('x.csv', 'a,b\\n1,2', { field: 'c' })")).toMatchObject({
      code: "field-missing",
    });
    const summary = await page.evaluate(() => window.lorito.textSummary());
    expect(summary.sources.map(({ name }) => name)).toEqual(["log.txt"]);
  });

  test("three kinds of tokenizer are trained", async ({ page }, { project }) => {
    await open(page, project.name);
    expect(await problem(page, "trainTokenizer({ kind: 'char' })")).toMatchObject({ code: "no-text" });
    expect(await problem(page, "encode('a')")).toMatchObject({ code: "no-tokenizer" });
    const seen = await page.evaluate(async (log) => {
      const { lorito } = window;
      await lorito.addText("log.txt", log);
      const results = [];
      for (const options of [{ kind: "char" }, { kind: "byte" }, { kind: "bpe", vocabSize: 300 }] as const) {
        const trained = await lorito.trainTokenizer(options);
        const ids = await lorito.encode("Señor Núñez");
        const pieces = await lorito.previewTokens("Señor");
        results.push({
          kind: trained.kind,
          vocabSize: trained.vocabSize,
          train: trained.trainTokens,
          validation: trained.validationTokens,
          ids: ids.length,
          back: await lorito.decode([...ids]),
          pieces: pieces.map((piece) => piece.text).join(""),
          unknown: await lorito.unknownCharacters("a字"),
        });
      }
      return { results, suggested: await lorito.suggestedVocabulary() };
    }, text);
    const [char, byte, bpe] = seen.results;
    for (const result of seen.results) {
      expect(result.back).toBe("Señor Núñez");
      expect(result.train).toBeGreaterThan(result.validation);
      expect(result.validation).toBeGreaterThan(0);
    }
    expect(char).toMatchObject({ kind: "char", ids: 11, unknown: "字" });
    expect(byte).toMatchObject({ kind: "byte", ids: 14, unknown: "" });
    expect(bpe).toMatchObject({ kind: "bpe", vocabSize: 300, unknown: "" });
    expect(bpe?.train).toBeLessThan(byte?.train ?? 0);
    expect(seen.suggested).toBeGreaterThanOrEqual(300);
  });

  test("models are planned and created, and impossible ones are refused", async ({ page }, { project }) => {
    await open(page, project.name);
    expect(await problem(page, "createModel({ preset: 'tiny' })")).toMatchObject({ code: "no-tokenizer" });
    expect(await problem(page, "train({ steps: 1 })")).toMatchObject({ code: "no-model" });
    await prepare(page);
    const seen = await page.evaluate(async (tiny) => {
      const { lorito } = window;
      const plan = await lorito.planModel(tiny, { steps: 100, batchSize: 4 });
      const made = await lorito.createModel(tiny);
      const preset = await lorito.createModel({ preset: "tiny" });
      return { plan, made, preset, presets: await lorito.presets(), summary: await lorito.modelSummary() };
    }, tinyModel);
    expect(seen.made.config).toMatchObject({ layers: 1, heads: 4, width: 32, context: 32 });
    expect(seen.plan.parameters).toBe(seen.made.parameters);
    expect(seen.plan.secondsPerStep).toBeGreaterThan(0);
    expect(seen.preset.config).toMatchObject({ layers: 2, heads: 4, width: 64, context: 64 });
    expect(seen.summary).toEqual(seen.preset);
    expect(seen.presets.map(({ name }) => name)).toContain("shakespeare");
    expect(await problem(page, "createModel({ heads: 5, width: 32 })")).toMatchObject({
      code: "heads-do-not-divide-width",
      allowed: [1, 2, 4, 8, 16, 32],
    });
    expect(await problem(page, "createModel({ preset: 'huge' })")).toMatchObject({ code: "preset-unknown" });
    expect(await problem(page, "train({ steps: 0 })")).toMatchObject({
      code: "setting-out-of-range",
      setting: "steps",
    });
  });
});
