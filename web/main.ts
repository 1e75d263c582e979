// Starts the worker and says when it is ready.
const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
worker.onmessage = (event: MessageEvent<string>) => {
  document.querySelector("#app")?.replaceChildren(event.data);
};
