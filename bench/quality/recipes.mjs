// Compares recipes of training at equal numbers of steps: `node bench/quality/recipes.mjs --text FILE [--sizes small,medium]
// [--seeds N] [--steps N] [--recipes NAME,NAME]`. It runs examples/train natively, which must have been built (`cargo build
// --release --example train`), and prints bits per byte of the whole held-back text, and the differences to the first
// recipe with the same seed. Equal numbers of steps are equal computing, so other work on the machine changes nothing.
import { execFileSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    text: { type: "string" },
    sizes: { type: "string", default: "small,medium" },
    seeds: { type: "string", default: "3" },
    steps: { type: "string" },
    recipes: { type: "string" },
  },
});

/** Models, and steps that see about three tokens for each of their parameters, as the plan for a time has it. */
const sizes = {
  small: { layers: 2, heads: 4, width: 64, context: 64, batchSize: 8, steps: 600 },
  medium: { layers: 4, heads: 4, width: 128, context: 64, batchSize: 16, steps: 1500 },
};
/** Peak learning rates as in src/config/time_plan.rs. */
const learningRates = { small: 3e-3, medium: 2.1e-3 };

/** What each recipe changes of the first, which is that of the plan for a time. */
const recipes = {
  plan: () => ({}),
  "cosine to a tenth": () => ({ decay: '"cosine"' }),
  "shuffled windows": () => ({ order: '"shuffled"' }),
  "beta2 0.95": () => ({ beta2: 0.95 }),
  "beta2 0.999": () => ({ beta2: 0.999 }),
  "learning rate / 2": (size) => ({ learningRate: learningRates[size] / 2 }),
  "learning rate * 2": (size) => ({ learningRate: learningRates[size] * 2 }),
  "half the batch, twice the steps": (size) => ({
    batchSize: sizes[size].batchSize / 2,
    steps: sizes[size].steps * 2,
    warmupSteps: sizes[size].steps / 10,
  }),
  "weight decay 0": () => ({ weightDecay: 0 }),
  "warm-up of 1 %": (size) => ({ warmupSteps: Math.ceil(sizes[size].steps / 100) }),
  "warm-up of 10 %": (size) => ({ warmupSteps: sizes[size].steps / 10 }),
};

const target = process.env.CARGO_TARGET_DIR ?? path.join(import.meta.dirname, "..", "..", "target");
const program = path.join(target, "release", "examples", "train");

/** Bits per byte of the held-back text after a run. */
function bitsPerByte(size, recipe, seed) {
  const { steps: usual, ...shape } = sizes[size];
  const { steps = Number(given.steps ?? usual), ...changed } = recipes[recipe](size);
  const settings = {
    ...shape,
    dropout: 0,
    learningRate: learningRates[size],
    decay: '"linear"',
    warmupSteps: usual / 20,
    ...changed,
    seed,
  };
  const set = Object.entries(settings).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
  const out = execFileSync(program, [given.text, "--steps", String(steps), ...set], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return Number(out.match(/([\d.]+) bits per byte/)[1]);
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const spread = (values) => Math.max(...values) - Math.min(...values);

if (given.text === undefined) throw new Error("--text FILE is missing");
const seeds = Array.from({ length: Number(given.seeds) }, (_, index) => index + 1);
const names = given.recipes ? ["plan", ...given.recipes.split(",")] : Object.keys(recipes);
for (const name of names) if (!(name in recipes)) throw new Error(`no recipe ${name}; there are ${Object.keys(recipes)}`);
for (const size of given.sizes.split(",")) {
  let first;
  for (const recipe of names) {
    const all = seeds.map((seed) => bitsPerByte(size, recipe, seed));
    first ??= all;
    const against = all.map((bits, index) => bits - first[index]);
    const row = { size, recipe, bitsPerByte: mean(all), spread: spread(all), against: mean(against), all: against };
    console.log(JSON.stringify({ text: path.basename(given.text), ...row }));
  }
}
