// Unusable input: each gives a sentence with advice, and the previous state stays.
import { expect, test } from "./guard";
import { drop, onceIsEnough, press, step, takeSample, visit } from "./person";

const bytes = (text: string) => [...new TextEncoder().encode(text)];
const noise = Array.from({ length: 5000 }, (_, index) => (index * 7919) % 256);
/** A header that describes a tensor that does not exist. */
const lying = (() => {
  const header = bytes(
    JSON.stringify({ "transformer.wte.weight": { dtype: "F32", shape: [9, 9], data_offsets: [0, 4] } }),
  );
  return [header.length, 0, 0, 0, 0, 0, 0, 0, ...header];
})();

const texts = [
  { name: "empty.txt", bytes: [], says: "empty.txt is empty. Choose a file with text in it." },
  { name: "photo.txt", bytes: noise, says: /photo\.txt holds bytes that no text has.*Save what it says as plain text/ },
  { name: "broken.json", bytes: bytes('{"text": "One",\n"text": }'), says: /broken\.json is not valid JSON: line 2/ },
  { name: "numbers.json", bytes: bytes('[{"id": 1}, {"id": 2}]'), says: /numbers\.json has no text in it/ },
];

test("unreadable files are refused, damaged ones are used in part, and the previous text stays", async ({ page }) => {
  await visit(page, test.info().project.name);
  await takeSample(page);
  const text = step(page, "Text");
  for (const { name, bytes, says } of texts) {
    await drop(page, [{ name, bytes }]);
    await expect(text.getByRole("alert")).toContainText(says);
    await expect(text.getByText("harbour.txt")).toBeVisible();
    await expect(text.getByText(name, { exact: true })).toBeHidden();
    await press(text, "Close");
    await expect(text.getByRole("alert")).toBeHidden();
  }
  await drop(page, [
    { name: "one.txt", text: "A first text." },
    { name: "empty.txt", text: "" },
    { name: "blank.md", text: "" },
    { name: "two.txt", text: "A second text." },
  ]);
  await expect(text.getByText("two.txt")).toBeVisible();
  await expect(text.getByText("one.txt")).toBeVisible();
  await expect(text.getByRole("alert")).toHaveCount(2);

  // The readable part of a damaged file is used, and the page reports the rest.
  const lines = ['{"text": "One."}', '{"text": "Tw', '{"text": "Three."}', "not json", '{"text": "Five."}'];
  await drop(page, [{ name: "chat.jsonl", text: lines.join("\n") }]);
  const chat = text.getByRole("listitem").filter({ hasText: "chat.jsonl" });
  await expect(chat).toContainText("3 documents");
  await expect(chat).toContainText("2 lines of chat.jsonl are no JSON and were left out, the first is line 2");

  const rows = ["id,body", "1,The first row", "2", "3,The third row", "4,The fourth,with too much"];
  await drop(page, [{ name: "rows.csv", text: rows.join("\n") }]);
  await expect(text.getByRole("listitem").filter({ hasText: "rows.csv" })).toContainText(
    "2 rows of rows.csv have more or fewer cells",
  );

  await drop(page, [
    {
      name: "old.txt",
      bytes: [...bytes("Se"), 0xf1, ...bytes("or, a"), 0xf1, ...bytes("os y ma"), 0xf1, ...bytes("anas.")],
    },
  ]);
  await expect(text.getByRole("listitem").filter({ hasText: "old.txt" })).toContainText("Windows-1252");
});

test("a text shorter than the context is refused when training starts, with both numbers", async ({ page }) => {
  await visit(page, test.info().project.name, "preset=tiny");
  await drop(page, [{ name: "short.txt", text: "Too short." }]);
  await press(page, "Train now");
  const training = step(page, "Train");
  await expect(training.getByRole("alert")).toContainText(
    /Your text gives \d+ tokens, and \d+ are needed.*Add more text/,
  );
  await expect(training.getByRole("button", { name: /^(Start training|Train .* more steps)$/ })).toBeEnabled();
});

test("the page reports a requested engine that cannot start", async ({ page }) => {
  test.skip(test.info().project.name === "webgpu", "there it can start");
  await page.goto("?engine=webgpu");
  await expect(page.getByRole("alert")).toContainText("WebGPU cannot start here");
  await expect(page.getByRole("alert")).toContainText("engine=webgpu");
});

test.describe("one engine is enough", () => {
  onceIsEnough();

  test("files that are no models are refused with a reason", async ({ page }) => {
    await visit(page, test.info().project.name);
    await takeSample(page);
    const share = step(page, "Share");
    for (const [given, says] of [
      [noise, /This is no safetensors file|announces a header/],
      [[], /This is no safetensors file|ends after/],
      [lying, /no safetensors file|no whole GPT-2|comes from elsewhere|ends after|does not match/],
    ] as const) {
      await drop(page, [{ name: "model.safetensors", bytes: [...given] }]);
      await expect(share.getByRole("alert")).toContainText(says);
      await press(share, "Close");
    }
    await expect(step(page, "Text").getByText("harbour.txt")).toBeVisible();
  });

  test("addresses without a model are refused with a reason", async ({ page, guard, baseURL }) => {
    await visit(page, test.info().project.name);
    const share = step(page, "Share");
    const address = share.getByLabel("From an address");
    const fetching = async (url: string) => {
      await address.fill(url);
      await press(share, "Fetch");
    };
    guard.allowed.push(/404/);
    await fetching(`${baseURL}no/such/model.safetensors`);
    await expect(share.getByRole("alert")).toContainText("The address did not give the file (answer 404)");
    await page.route("**/page.safetensors", (route) => route.fulfill({ body: "<!doctype html><p>Please sign in" }));
    await fetching(`${baseURL}page.safetensors`);
    await expect(share.getByRole("alert")).toContainText(/At this address, .* has a web page and no model file/);
  });
});

test("the error names a file that was deleted or changed since it was chosen, for every use of it", async ({
  page,
}) => {
  await visit(page, test.info().project.name);
  const problems = await page.evaluate(async () => {
    const { lorito } = window;
    // Like a browser with chosen files: size and time are recorded.
    const folder = await navigator.storage.getDirectory();
    const write = async (text: string) => {
      const handle = await folder.getFileHandle("diary.txt", { create: true });
      const stream = await handle.createWritable();
      await stream.write(text);
      await stream.close();
      return handle.getFile();
    };
    const said: unknown[] = [];
    for (const change of [() => folder.removeEntry("diary.txt"), () => write("Longer than it was, by some words.")]) {
      const file = await write("A day at sea.");
      await change();
      const calls: Promise<unknown>[] = [
        lorito.addText(file.name, file),
        lorito.importModel(file),
        lorito.openRun(file),
      ];
      for (const call of calls)
        said.push(
          await call.then(
            () => "read",
            ({ code, fields }) => [code, fields.name],
          ),
        );
    }
    return said;
  });
  expect(problems).toEqual(Array(6).fill(["file-unreadable", "diary.txt"]));
});
