// Reads and writes WebAssembly modules compiled by Rust, with Binaryen, which is used only at build time.
import binaryen from "binaryen";
import { bodiesOf, section, sectionsOf } from "./binary.mjs";

/** Binaryen's names of the features that Rust uses; `All` would write an encoding that browsers do not support yet. */
const { BulkMemory, BulkMemoryOpt, MutableGlobals, Multivalue, NontrappingFPToInt, ReferenceTypes, SIMD128, SignExt } =
  binaryen.Features;
const features =
  BulkMemory | BulkMemoryOpt | MutableGlobals | Multivalue | NontrappingFPToInt | ReferenceTypes | SIMD128 | SignExt;

/** Parses a module; dispose of it afterwards. */
export function read(bytes) {
  const module = binaryen.readBinary(bytes);
  module.setFeatures(features);
  return module;
}

/** All functions of a module; imported ones have a `base`; `pointer` is Binaryen's. */
export function functionsOf(module) {
  return Array.from({ length: module.getNumFunctions() }, (_, index) => {
    const pointer = module.getFunctionByIndex(index);
    return { pointer, ...binaryen.getFunctionInfo(pointer) };
  });
}

/** The sizes in bytes of all functions that are not imported, in the order of `functionsOf`. */
export const bodySizes = (bytes) =>
  bodiesOf(sectionsOf(bytes).find(({ id }) => id === section.code).content).map(({ start, end }) => end - start);

/** Serializes a module and disposes of it. `names`: whether to keep function names, for a later step. */
export function write(module, { names }) {
  if (!names) module.runPasses(["strip-debug", "strip-producers"]);
  if (!module.validate()) throw new Error("the module is not valid any more");
  binaryen.setDebugInfo(names);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}
