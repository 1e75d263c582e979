// `node one.mjs MODULE [ARGUMENTS AS JSON]`: runs one measurement in its own process, so that none depends on the state in
// which another left the GPU.
import { writeSync } from "node:fs";
import "./webgpu.mjs";

const [module, given = "[]"] = process.argv.slice(2);
const { measure } = await import(module);
writeSync(1, `${JSON.stringify(await measure(...JSON.parse(given)))}\n`);
// Dawn's threads would keep the process alive.
process.exit();
