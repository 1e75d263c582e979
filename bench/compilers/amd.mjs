// AMD's compiler without a card: Chrome's WebGPU (Dawn, with its WGSL compiler Tint) on Mesa's driver RADV, which pretends to
// have a GPU of the named family. vulkan.c stands between the two and reads the compiler's statistics and assembly.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { figuresOf } from "./rdna.mjs";

const here = import.meta.dirname;
/** Mesa's names of the families: newer versions know the first, older ones the second. */
export const families = {
  RDNA3: ["navi31", "gfx1100"],
  RDNA2: ["navi21"],
};

const has = (program) => {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

/** The manifest of Mesa's driver for AMD GPUs. */
function manifest() {
  if (process.env.LORITO_RADV) return process.env.LORITO_RADV;
  for (const folder of ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"]) {
    const file = existsSync(folder) && readdirSync(folder).find((name) => /^radeon_icd.*\.json$/.test(name));
    if (file) return path.join(folder, file);
  }
}

function vulkanLoader() {
  const known = execFileSync("sh", ["-c", "ldconfig -p | sed -n 's/.*libvulkan.so.1 .*=> //p'"], { encoding: "utf8" });
  return known.split("\n").find(Boolean);
}

/** What this machine lacks for the compiler; undefined if nothing. */
function lacking() {
  if (process.platform !== "linux") return "Mesa's RADV runs on Linux only";
  if (!manifest()) return "Mesa's RADV is missing: Debian's package mesa-vulkan-drivers";
  if (!vulkanLoader()) return "Vulkan's loader is missing: Debian's package libvulkan1";
  if (!has("cc")) return "a C compiler is missing: Debian's package gcc";
  if (!existsSync(path.join(here, "../node_modules/webgpu"))) return "npm's package webgpu is missing in bench/";
}

/**
 * Compiles `shaders` (WGSL by id) for a family. Resolves with the driver's name and, by id, the figures or the
 * error of each; or with what is missing here. `folder` takes the compiled vulkan.c.
 */
export async function compile(shaders, family, folder) {
  const missing = lacking();
  if (missing) return { missing };
  await mkdir(folder, { recursive: true });
  const library = path.join(folder, "libvulkan.so.1");
  execFileSync("cc", [
    "-shared",
    "-fPIC",
    "-O1",
    "-fvisibility=hidden",
    "-o",
    library,
    path.join(here, "vulkan.c"),
    "-ldl",
  ]);
  for (const name of families[family]) {
    const results = {};
    let driver;
    let left = Object.entries(shaders);
    while (left.length > 0) {
      const { lines, status } = await child(left, name, folder);
      driver ??= lines.find((line) => line.driver)?.driver;
      if (!driver) break;
      for (const line of lines) {
        if (line.id === undefined) continue;
        results[line.id] = line.error ? { error: line.error } : { ...figuresOf(line), milliseconds: line.milliseconds };
      }
      const done = left.filter(([id]) => id in results).length;
      // A compiler that crashes takes the process with it: the rest is compiled by another one.
      if (done < left.length) results[left[done][0]] = { error: `the compiler ended with ${status}` };
      left = left.slice(done + 1);
    }
    if (driver) return { driver, version: Number(driver.match(/Mesa (\d+)/)?.[1]), results };
  }
  return { missing: `this version of Mesa's RADV knows no ${families[family].join(" or ")}` };
}

/** Compiles in a process of its own: the driver is configured by environment variables. */
function child(shaders, family, folder) {
  const icd = manifest();
  const compiling = spawn(process.execPath, [path.join(here, "amd-child.mjs")], {
    env: {
      ...process.env,
      LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":"),
      LORITO_VULKAN: vulkanLoader(),
      LORITO_STATISTICS: path.join(folder, "statistics.txt"),
      RADV_FORCE_FAMILY: family,
      MESA_SHADER_CACHE_DISABLE: "true",
      VK_DRIVER_FILES: icd,
      VK_ICD_FILENAMES: icd,
      XDG_RUNTIME_DIR: folder,
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const lines = [];
  // Dawn prints there, too.
  createInterface({ input: compiling.stdout }).on(
    "line",
    (line) => line.startsWith("{") && lines.push(JSON.parse(line)),
  );
  compiling.stdin.on("error", () => {});
  compiling.stdin.end(JSON.stringify(shaders));
  return new Promise((resolve) => {
    compiling.on("close", (code, signal) => resolve({ lines, status: signal ?? code }));
  });
}
