// What must hold in every browser test, whatever else it looks at: nothing goes wrong unseen in the console, and the
// page speaks to nobody but the host it came from. Specs import `test` from here instead of from Playwright.
import { test as base, expect } from "@playwright/test";

export { expect };

interface Guard {
  /** Errors of the console that this test provokes, each as a pattern: `guard.allowed.push(/device lost/)`. */
  allowed: RegExp[];
}

/** A WebGPU shader that fails validation is skipped and only logged; the numbers after it are stale. */
const shaderTrouble = /shader|WGSL|pipeline.*invalid|Invalid (Compute|Bind|Command|Buffer)|validation error/i;

export const test = base.extend<{ guard: Guard }>({
  guard: [
    async ({ context, baseURL }, use) => {
      const guard: Guard = { allowed: [] };
      const trouble: string[] = [];
      const origin = new URL(baseURL ?? "").origin;

      context.on("console", (message) => {
        const text = message.text();
        if (message.type() === "error" || (message.type() === "warning" && shaderTrouble.test(text)))
          trouble.push(`console: ${text}`);
      });
      context.on("weberror", (webError) => trouble.push(`uncaught: ${webError.error().message}`));
      context.on("request", (request) => {
        const url = new URL(request.url());
        if (!["data:", "blob:"].includes(url.protocol) && url.origin !== origin)
          trouble.push(`request to another origin: ${url}`);
      });

      await use(guard);

      const unexpected = trouble.filter((line) => !guard.allowed.some((pattern) => pattern.test(line)));
      expect(unexpected, "console errors and requests to other origins").toEqual([]);
    },
    { auto: true },
  ],
});
