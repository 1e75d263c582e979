// Training continues in a background tab. Playwright keeps each of its tabs active, so this one is opened and controlled by
// the Chrome DevTools Protocol.
import { type CDPSession, chromium } from "@playwright/test";
import { expect, test } from "./guard";
import { text, tinyModel, tinyRun } from "./lorito";

/** Playwright's switches that prevent the throttling of background tabs. */
const sparing = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/** Evaluates JavaScript in a tab. */
async function speakTo(browser: CDPSession, targetId: string): Promise<(expression: string) => Promise<unknown>> {
  const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: false });
  let asked = 0;
  return (expression) => {
    const id = ++asked;
    const answered = new Promise<unknown>((resolve, reject) => {
      browser.on("Target.receivedMessageFromTarget", ({ message }) => {
        const { id: answers, error, result } = JSON.parse(message);
        if (answers !== id) return;
        const problem = error ?? result.exceptionDetails;
        if (problem) reject(new Error(JSON.stringify(problem)));
        else resolve(result.result.value);
      });
    });
    const params = { expression, awaitPromise: true, returnByValue: true };
    const message = JSON.stringify({ id, method: "Runtime.evaluate", params });
    return browser.send("Target.sendMessageToTarget", { sessionId, message }).then(() => answered);
  };
}

test("training continues in a background tab", async ({ launchOptions, baseURL }, { project }) => {
  const browser = await chromium.launch({ ...launchOptions, ignoreDefaultArgs: sparing });
  try {
    const protocol = await browser.newBrowserCDPSession();
    const { targetId } = await protocol.send("Target.createTarget", { url: `${baseURL}?engine=${project.name}` });
    const evaluate = await speakTo(protocol, targetId);
    // Before the page is loaded, evaluation fails.
    await expect.poll(() => evaluate("'lorito' in window").catch(() => false)).toBe(true);
    const { targetId: front } = await protocol.send("Target.createTarget", { url: "about:blank" });
    await protocol.send("Target.activateTarget", { targetId: front });
    await expect.poll(() => evaluate("document.visibilityState")).toBe("hidden");
    await evaluate(`(async () => {
      await lorito.addText("log.txt", ${JSON.stringify(text)});
      await lorito.trainTokenizer({ kind: "char" });
      await lorito.createModel(${JSON.stringify(tinyModel)});
    })()`);
    const result = await evaluate(`lorito.train(${JSON.stringify({ ...tinyRun, steps: 60 })})`);
    expect(result).toMatchObject({ step: 60 });
    expect(await evaluate("lorito.history().then(({ evaluations }) => evaluations.length)")).toBe(7);
    expect(await evaluate("document.visibilityState")).toBe("hidden");

    // Steps per second by training's own clock, in the background and then in the foreground.
    const speed = `(async () => {
      const told = [];
      const heard = lorito.on("progress", ({ step, elapsedSeconds }) => told.push([step, elapsedSeconds]));
      const training = lorito.train(${JSON.stringify({ ...tinyRun, steps: 1_000_000, evalEvery: 1_000_000 })});
      while (told.length < 2 || told.at(-1)[1] - told[0][1] < 2) await new Promise((go) => setTimeout(go, 100));
      lorito.stop();
      await training;
      heard();
      return (told.at(-1)[0] - told[0][0]) / (told.at(-1)[1] - told[0][1]);
    })()`;
    const behind = Number(await evaluate(speed));
    await protocol.send("Target.activateTarget", { targetId });
    await expect.poll(() => evaluate("document.visibilityState")).toBe("visible");
    const inFront = Number(await evaluate(speed));
    console.log(`${project.name}: ${inFront.toFixed(0)} steps a second in front, ${behind.toFixed(0)} behind`);
    // A loop with throttled timers makes a step or a few per second; other programs do not slow it down that much.
    expect(behind).toBeGreaterThan(inFront / 4);
  } finally {
    await browser.close();
  }
});
