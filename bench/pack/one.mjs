// `node one.mjs MODULE [ARGUMENTS AS JSON]`: one measurement in a process of its own, so that none finds the GPU as
// another has left it.
import { writeSync } from "node:fs";
import "./webgpu.mjs";

const [module, given = "[]"] = process.argv.slice(2);
const { measure } = await import(module);
writeSync(1, `${JSON.stringify(await measure(...JSON.parse(given)))}\n`);
// Dawn's threads would keep the process alive.
process.exit();
