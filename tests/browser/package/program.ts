// Programs that run beside a test.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

/** A port that nobody has. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  return typeof address === "object" && address ? address.port : 0;
}

/** Resolves once the program has said that it is ready; rejects if it ends before. */
export function ready(program: ChildProcess, sign: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    for (const stream of [program.stdout, program.stderr]) {
      stream?.on("data", (piece) => {
        said += piece;
        if (sign.test(said)) resolve();
      });
    }
    program.once("exit", (code) => reject(new Error(`it ended with ${code}: ${said}`)));
  });
}

/** Ends a program, if it still runs. */
export async function ended(program: ChildProcess | undefined): Promise<void> {
  if (program?.exitCode !== null) return;
  const exit = once(program, "exit");
  program.kill();
  await exit;
}
