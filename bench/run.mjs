// `cargo xtask bench [--peers] [--only NAME,NAME] [--take lorito,jax,tfjs,nanogpt] [--before ADDRESS] [--seconds N]
// [--rounds N] [--workers N,N]`: prints one JSON line a measurement. `--peers`: only the comparisons, and a table of them at the end.
// `--before`: the address, with its last slash, of another build of Lorito; comparisons measure it in turn with this one.
// `--only quality --text FILE [--minutes N] [--seeds N] [--contenders NAME,NAME]`: bits per byte after so many minutes; with
// LORITO_PYTHON, the path of a Python that has torch, in turn with PyTorch, too.
// `--workers`: the numbers of workers of the CPU engine, measured in turn, for example 1,2,4; without it, as the page chooses.
import os from "node:os";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import {
  dispatches,
  firstLoss,
  generation,
  largeText,
  longRun,
  memory,
  selfCheck,
  size,
  submissions,
  workerMemory,
} from "./costs.mjs";
import { processorTime } from "./processor-time.mjs";
import { quality } from "./quality.mjs";
import { speeds } from "./speeds.mjs";
import { table } from "./table.mjs";
import { views } from "./views.mjs";

const all = ["lorito", "jax", "tfjs", "nanogpt"];
const { values: given } = parseArgs({
  options: {
    peers: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    before: { type: "string" },
    take: { type: "string", default: all.join() },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
    workers: { type: "string" },
    text: { type: "string" },
    minutes: { type: "string", default: "5" },
    seeds: { type: "string", default: "3" },
    contenders: { type: "string" },
  },
});
const options = {
  take: given.take.split(","),
  before: given.before,
  seconds: Number(given.seconds),
  rounds: Number(given.rounds),
  workers: given.workers?.split(",").map(Number),
  text: given.text,
  minutes: Number(given.minutes),
  seeds: Number(given.seeds),
  contenders: given.contenders?.split(","),
};

const tell = (measurement) => console.log(JSON.stringify(measurement));
const rows = [];
const compare = (name, engine) => async (browser) => rows.push(...(await speeds(browser, name, engine, options, tell)));

/** The machine, and its load in the last minute. */
const machine = (browser, when) =>
  tell({ name: "machine", when, cores: os.cpus().length, load: os.loadavg()[0], browser: browser.version() });

/** Comparisons of Lorito with the peers. */
const comparisons = {
  S: compare("S", "cpu"),
  M: compare("M", "cpu"),
  L: compare("L", "cpu"),
  "S-webgpu": compare("S", "webgpu"),
  "M-webgpu": compare("M", "webgpu"),
  "L-webgpu": compare("L", "webgpu"),
};
/** Measurements of Lorito only. */
const costs = {
  size: (browser) => size(browser, "cpu", tell),
  "size-webgpu": (browser) => size(browser, "webgpu", tell),
  "large-text": (browser) => largeText(browser, tell),
  dispatches: (browser) => dispatches(browser, "S", options, tell),
  "M-dispatches": (browser) => dispatches(browser, "M", options, tell),
  "L-dispatches": (browser) => dispatches(browser, "L", options, tell),
  first: (browser) => firstLoss(browser, "cpu", options, tell),
  "first-webgpu": (browser) => firstLoss(browser, "webgpu", options, tell),
  "self-check": (browser) => selfCheck(browser, tell),
  memory: (browser) => memory(browser, tell),
  submissions: (browser) => submissions(browser, "S", tell),
  "M-submissions": (browser) => submissions(browser, "M", tell),
  "L-submissions": (browser) => submissions(browser, "L", tell),
  "processor-time": async (browser) => {
    for (const name of ["S", "M", "L"]) await processorTime(browser, name, tell);
  },
  "worker-memory": (browser) => workerMemory(browser, options, tell),
  "long-run": (browser) => longRun(browser, tell),
  views: (browser) => views(browser, "cpu", options, tell),
  generation: (browser) => generation(browser, "cpu", options, tell),
  quality: (browser) => quality(browser, "cpu", options, tell),
  "generation-webgpu": (browser) => generation(browser, "webgpu", options, tell),
};
const withCosts = !given.peers && options.take.includes("lorito");
const measurements = withCosts ? { ...costs, ...comparisons } : comparisons;

// A text and a time have to be given for these.
const onlyIfNamed = ["quality"];
const usual = Object.keys(measurements).filter((name) => !onlyIfNamed.includes(name));
const names = given.only ? given.only.split(",") : usual;
for (const name of names) {
  if (!(name in measurements)) throw new Error(`no measurement ${name}; there are ${Object.keys(measurements)}`);
}
if (!options.take.every((name) => all.includes(name))) throw new Error(`--take is of ${all}`);
if (!(options.seconds > 0) || !(options.rounds >= 1)) throw new Error("--seconds and --rounds are numbers above 0");

const browser = await launch();
try {
  machine(browser, "before");
  for (const name of names) await measurements[name](browser);
  machine(browser, "after");
} finally {
  await browser.close();
}
if (rows.length > 0) console.log(`\n${table(rows)}`);
