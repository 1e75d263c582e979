// llama.cpp writes what the crate writes, with the GGUF files of SmolLM2-135M-Instruct that the crate has exported
// (tests/smollm2).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { Llama } from "../llama";

const folder = process.env.LORITO_SMOLLM2 ?? "";
const read = async (file: string) => JSON.parse(await readFile(join(folder, file), "utf8"));

for (const name of ["f16", "q8_0"])
  test(`llama.cpp writes the same with ${name}`, async () => {
    const { prompt, again } = await read("left.json");
    const { texts, ids } = await read("reference/expected.json");
    const llama = await Llama.open(join(folder, "left", `${name}.gguf`));
    expect(await llama.greedy(prompt, again[name].length)).toEqual(again[name]);
    console.log(`${name}: ${again[name].length} greedy tokens are the same in llama.cpp`);
    const encoded = texts.map((text: string) => llama.encode(text));
    expect(encoded).toEqual(ids);
    console.log(`${name}: the ids of ${texts.length} texts are the same in llama.cpp`);
    await llama.close();
  });
