// Measures Lorito and the peers on one configuration in turn, so that changes of the machine's load affect all alike.
import { openPeer } from "./browser.mjs";
import { configurations, median } from "./configurations.mjs";
import { speedOfLorito } from "./lorito.mjs";

/** For each of Lorito's engines: a peer's name, module and device, and whether its page may use threads. */
const peers = {
  cpu: [
    ["jax-js wasm", "jax", "wasm", true],
    // A page that is not cross-origin isolated, as most are, has no threads.
    ["jax-js wasm, one thread", "jax", "wasm", false],
  ],
  webgpu: [
    ["jax-js webgpu", "jax", "webgpu", true],
    ["tfjs webgpu", "tfjs", "webgpu", true],
    ["genai-fi nanogpt webgpu", "nanogpt", "webgpu", true],
  ],
};

async function speedOfPeer(browser, [, module, device, isolated], configuration, seconds) {
  const { page, close } = await openPeer(browser, isolated);
  const result = await page.evaluate(
    async ([module, ...given]) => {
      const { measure, about } = await import(`./peers/${module}.mjs`);
      return { ...(await measure(...given)), about };
    },
    [module, configuration, seconds, device],
  );
  await close();
  return result;
}

/**
 * `take`: which of lorito, jax, tfjs and nanogpt are measured. `before`: the address of another build of Lorito that is
 * measured in turn with this one. Returns the rows of the table.
 */
export async function speeds(browser, name, engine, { take, before, seconds, rounds, workers }, tell) {
  const configuration = configurations[name];
  const takers = peers[engine]
    .filter(([, module]) => take.includes(module))
    .map((peer) => ({ name: peer[0], run: () => speedOfPeer(browser, peer, configuration, seconds), taken: [] }));
  const lorito = (name, how) => ({
    name,
    run: () => speedOfLorito(browser, engine, configuration, seconds, how),
    taken: [],
  });
  if (before) takers.unshift(lorito(`${engine} before`, { address: before }));
  // The others are compared with the first: the largest number of workers.
  const numbers = engine === "cpu" ? workers?.toSorted((a, b) => a - b) : undefined;
  for (const workers of numbers ?? []) takers.unshift(lorito(`${engine}, workers: ${workers}`, { workers }));
  // Without shards, as before there were any.
  if (numbers) takers.push(lorito(`${engine}, one shard`, { workers: 1, shards: 1 }));
  else if (take.includes("lorito")) takers.unshift(lorito(engine));
  const speedsOf = ({ taken }) => taken.map(({ tokensPerSecond }) => tokensPerSecond);
  for (let round = 0; round < rounds; round++) {
    // Every other round in reverse, as what is measured second finds the machine warmer.
    for (const taker of round % 2 === 0 ? takers : takers.toReversed()) {
      // A peer that is several times slower in the first round is skipped afterwards, as it takes several times as long.
      if (round > 0 && speedsOf(taker)[0] < speedsOf(takers[0])[0] / 3) continue;
      taker.taken.push(await taker.run());
      // Progress: a round of L takes many minutes on a software GPU.
      console.error(`${name} ${taker.name}: ${speedsOf(taker).at(-1).toFixed(1)} tokens/s`);
    }
  }
  const rows = takers.map((taker) => {
    const { own, steps, firstLoss, lastLoss, about } = taker.taken.at(-1);
    const all = speedsOf(taker);
    const row = {
      name: "training",
      engine: taker.name,
      configuration: name,
      unit: "tokens/s",
      value: median(all),
      all,
    };
    tell({ ...row, own, steps, firstLoss, lastLoss, about });
    return { ...row, steps, firstLoss, lastLoss, about };
  });
  if (!take.includes("lorito")) return rows;
  return rows.map((row, index) => {
    if (index === 0) return { ...row, ratio: 1 };
    const all = row.all.map((value, round) => rows[0].all[round] / value);
    tell({ name: "ratio", engine, against: row.engine, configuration: name, value: median(all), all });
    return { ...row, ratio: median(all) };
  });
}
