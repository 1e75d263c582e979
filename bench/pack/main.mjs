// The packed folder's program: measures Lorito, jax-js and PyTorch in turn, and the adapter's fastest matrix product.
// `./run.sh [--only S,M,L,XL] [--take lorito,jax,torch] [--seconds N] [--rounds N]`
import { execFileSync } from "node:child_process";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { configurations, median, operationsPerToken } from "../configurations.mjs";
import { table } from "../table.mjs";

const { values: given } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(configurations).join() },
    take: { type: "string", default: "lorito,jax,torch" },
    seconds: { type: "string", default: "10" },
    rounds: { type: "string", default: "3" },
  },
});
const here = import.meta.dirname;
const peers = path.join(here, "../peers");
const seconds = Number(given.seconds);

const tell = (measurement) => console.log(JSON.stringify(measurement));

/** The last line that a program prints; undefined if it fails, which the program itself reports. */
function lastLine(program, args) {
  try {
    const said = execFileSync(program, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      // A hanging GPU must not prevent the other measurements.
      timeout: 1000 * (10 * seconds + 600),
    });
    return JSON.parse(said.trim().split("\n").at(-1));
  } catch (error) {
    tell({ name: "failed", program: path.basename(program), args, reason: String(error.message).split("\n")[0] });
  }
}
const inNode = (module, ...args) =>
  lastLine(process.execPath, [path.join(here, "one.mjs"), module, JSON.stringify(args)]);

const hasTorch = () => {
  try {
    execFileSync("python3", ["-c", "import torch"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

const takers = {
  lorito: ["Lorito webgpu", (config) => inNode(path.join(here, "lorito.mjs"), config, seconds)],
  jax: ["jax-js webgpu", (config) => inNode(path.join(peers, "jax.mjs"), config, seconds, "webgpu")],
  torch: [
    "PyTorch f32",
    (config) => lastLine("python3", [path.join(peers, "torch_step.py"), JSON.stringify(config), String(seconds)]),
  ],
};
const taking = given.take.split(",").filter((name) => name !== "torch" || hasTorch());

tell({ name: "machine", processor: os.cpus()[0].model, cores: os.cpus().length, node: process.version });
const best = inNode(path.join(here, "product.mjs"));
tell({ name: "best product", unit: "operations/s", ...best });

const rows = [];
for (const name of given.only.split(",")) {
  const configuration = configurations[name];
  const taken = Object.fromEntries(taking.map((taker) => [taker, []]));
  const failed = new Set();
  for (let round = 0; round < Number(given.rounds); round++) {
    for (const taker of taking) {
      if (failed.has(taker)) continue;
      const result = takers[taker][1](configuration);
      if (result) taken[taker].push(result);
      else failed.add(taker);
    }
  }
  for (const taker of taking) {
    if (taken[taker].length === 0) continue;
    const all = taken[taker].map(({ tokensPerSecond }) => tokensPerSecond);
    const ratios = taken.lorito?.slice(0, all.length).map((lorito, round) => lorito.tokensPerSecond / all[round]) ?? [];
    const row = {
      name: "training",
      engine: takers[taker][0],
      configuration: name,
      unit: "tokens/s",
      ...taken[taker].at(-1),
      value: median(all),
      all,
      ratio: ratios.length > 0 ? median(ratios) : undefined,
      share: best ? (median(all) * operationsPerToken(configuration)) / best.rate : undefined,
    };
    tell(row);
    rows.push(row);
  }
}
console.log(`\n${table(rows)}`);
