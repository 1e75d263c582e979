// Serves the page with a script that its worker runs before its own.
import { createServer, type IncomingMessage } from "node:http";

export interface Served {
  address: string;
  close(): Promise<void>;
}

/** `heard` is called with the data that the script posts to "heard". */
export async function serveWith(script: string, heard: (words: string) => void): Promise<Served> {
  const page = process.env.LORITO_URL ?? "";
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      heard(await bodyOf(request));
      response.end();
      return;
    }
    const answer = await fetch(new URL(request.url ?? "", page));
    const { pathname } = new URL(answer.url);
    for (const name of ["content-type", "content-security-policy", "cross-origin-opener-policy"])
      response.setHeader(name, answer.headers.get(name) ?? "");
    response.writeHead(answer.status);
    if (pathname === "/worker.js") response.write(`${script}\n`);
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const at = server.address();
  if (at === null || typeof at === "string") throw new Error("a TCP server has a port");
  return {
    address: `http://127.0.0.1:${at.port}/`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}
