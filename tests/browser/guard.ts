// Requirements of every browser test: no unexpected errors in the console, and no requests to other hosts. Specs import
// `test` from here instead of from Playwright.
import { test as base, expect } from "@playwright/test";

export { expect };

interface Guard {
  /** The faults so far, one line each. */
  seen: string[];
  /** Faults that this test causes on purpose: `guard.allowed.push(/device lost/)`. */
  allowed: RegExp[];
}

/** A WebGPU shader that fails validation is skipped and only logged; the numbers after it are stale. */
const shaderTrouble = /shader|WGSL|pipeline.*invalid|Invalid (Compute|Bind|Command|Buffer)|validation error/i;

export const test = base.extend<{ guard: Guard }>({
  guard: [
    async ({ context, baseURL }, use) => {
      const guard: Guard = { seen: [], allowed: [] };
      const home = new URL(baseURL ?? "").origin;

      context.on("console", (message) => {
        const [kind, text] = [message.type(), message.text()];
        if (kind === "error" || (kind === "warning" && shaderTrouble.test(text))) guard.seen.push(`console: ${text}`);
      });
      context.on("weberror", (webError) => guard.seen.push(`uncaught: ${webError.error().message}`));
      context.on("request", (request) => {
        const { protocol, origin, href } = new URL(request.url());
        const stays = protocol === "data:" || protocol === "blob:" || origin === home;
        if (!stays) guard.seen.push(`request to another origin: ${href}`);
      });

      await use(guard);

      const unexpected = guard.seen.filter((line) => !guard.allowed.some((pattern) => pattern.test(line)));
      expect(unexpected, "nothing goes wrong, and nothing leaves the machine").toEqual([]);
    },
    { auto: true },
  ],
});
