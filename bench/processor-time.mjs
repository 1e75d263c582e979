// Processor time of each worker's thread in training, which other programs on the machine change little: what two idle
// processors would make of it is the longest time of a thread a step. Linux only.
import { readdir, readFile } from "node:fs/promises";
import { configurations } from "./configurations.mjs";
import { prepared, train } from "./lorito.mjs";

/** Milliseconds of each dedicated worker's thread of a process so far, by thread. */
async function threads(pid) {
  const times = new Map();
  for (const id of await readdir(`/proc/${pid}/task`)) {
    const stat = await readFile(`/proc/${pid}/task/${id}/stat`, "utf8").catch(() => "");
    const [, name, rest] = stat.match(/\((.*)\) (.*)/) ?? [];
    // User and system time, in hundredths of a second.
    const fields = rest?.split(" ");
    if (name?.startsWith("DedicatedWorker")) times.set(id, 10 * (Number(fields[11]) + Number(fields[12])));
  }
  return times;
}

/** Tells the milliseconds a step: of the worker that trains alone, and of both when two share the steps. */
export async function processorTime(browser, name, tell) {
  const configuration = configurations[name];
  const { page, close } = await prepared(browser, "cpu", configuration);
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const pid = Math.max(...processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id));
  let tasks = 0;
  page.on("console", (message) => {
    if (message.text() === "a task") tasks++;
  });
  await page.route("**/replica.js", async (route) => {
    const response = await route.fetch();
    const counting = 'self.addEventListener("message", ({ data }) => "step" in data && console.log("a task"));';
    await route.fulfill({ response, body: `${counting}\n${await response.text()}` });
  });
  /** The owner's time, and that of the other worker: its thread ends with the run, so it is watched. */
  const spent = async (steps, how) => {
    const before = await threads(pid);
    tasks = 0;
    let other = 0;
    const watch = setInterval(async () => {
      for (const [id, time] of await threads(pid).catch(() => [])) if (!before.has(id)) other = Math.max(other, time);
    }, 50);
    await train(page, steps, configuration, how);
    clearInterval(watch);
    const after = await threads(pid);
    const [owner] = [...before.keys()];
    return { owner: after.get(owner) - before.get(owner), other, tasks };
  };
  const perStep = async (how, few, many) => {
    const [a, b] = [await spent(few, how), await spent(many, how)];
    return { owner: (b.owner - a.owner) / (many - few), b };
  };
  await train(page, 10, configuration, { workers: 1 });
  const steps = name === "L" ? [4, 16] : [20, 80];
  const whole = await perStep({ workers: 1, shards: 1 }, ...steps);
  const alone = await perStep({ workers: 1, shards: 8 }, ...steps);
  const most = steps[1];
  const plain = await spent(most, { workers: 1, shards: 8 });
  const shared = await spent(most, { workers: 2, shards: 8 });
  // The owner's time of a shared step: the rest of the steps take what they take alone.
  const saved = (plain.owner - shared.owner) / shared.tasks;
  tell({
    name: "processor time a step",
    configuration: name,
    unit: "ms",
    oneShard: whole.owner,
    alone: alone.owner,
    sharedOwner: alone.owner - saved,
    sharedOther: shared.other / shared.tasks,
    tasks: shared.tasks,
    steps: most,
  });
  await close();
}
