// Fetches and compiles the first part of the wasm, instead of wasm-bindgen's `init`: other workers get the module, too.

export async function firstPart(address: string): Promise<WebAssembly.Module> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`status ${response.status}`);
  // Not every host sends the type that compiling while it comes asks for.
  if (response.headers.get("content-type")?.startsWith("application/wasm"))
    return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}
