// A minimal WebDriver client (https://www.w3.org/TR/webdriver2/). WebKitGTK's driver uses it over HTTP; Firefox implements it
// as Marionette, over a socket and with names of commands instead of addresses.
import { connect, type Socket } from "node:net";

/** The commands: their addresses in WebDriver, and their names in Marionette. */
const commands = {
  timeouts: ["POST /timeouts", "WebDriver:SetTimeouts"],
  open: ["POST /url", "WebDriver:Navigate"],
  reload: ["POST /refresh", "WebDriver:Refresh"],
  run: ["POST /execute/async", "WebDriver:ExecuteAsyncScript"],
  find: ["POST /element", "WebDriver:FindElement"],
  click: ["POST /element/{id}/click", "WebDriver:ElementClick"],
  type: ["POST /element/{id}/value", "WebDriver:ElementSendKeys"],
  minimize: ["POST /window/minimize", "WebDriver:MinimizeWindow"],
  picture: ["GET /screenshot", "WebDriver:TakeScreenshot"],
} as const;

type Name = keyof typeof commands;
type Parameters = Record<string, unknown>;

/** A session with a browser. */
export interface Session {
  send(name: Name, parameters?: Parameters): Promise<unknown>;
  end(): Promise<void>;
}

/** A session over HTTP with the driver at `address`. */
export async function overHttp(address: string, capabilities: Parameters): Promise<Session> {
  const ask = async (method: string, path: string, parameters?: Parameters): Promise<unknown> => {
    const body = parameters && JSON.stringify(parameters);
    const response = await fetch(address + path, { method, ...(body ? { body } : {}) });
    const { value } = (await response.json()) as { value: unknown };
    if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(value)}`);
    return value;
  };
  const made = await ask("POST", "/session", { capabilities: { alwaysMatch: capabilities } });
  const session = `/session/${(made as { sessionId: string }).sessionId}`;
  return {
    send(name, parameters = {}) {
      const [method = "", path = ""] = commands[name][0].split(" ");
      const { id, ...rest } = parameters;
      return ask(method, session + path.replace("{id}", String(id)), method === "POST" ? rest : undefined);
    },
    async end() {
      await ask("DELETE", session);
    },
  };
}

/** A session with the Firefox at `port`: each message is its length in bytes, a colon, and JSON. */
export async function withFirefox(port: number): Promise<Session> {
  const socket: Socket = connect(port, "127.0.0.1");
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let unread = Buffer.alloc(0);
  let asked = 0;
  socket.on("data", (data) => {
    unread = Buffer.concat([unread, data]);
    for (;;) {
      const colon = unread.indexOf(":");
      const end = colon + 1 + Number(unread.subarray(0, Math.max(colon, 0)).toString());
      if (colon < 0 || unread.length < end) return;
      const message = JSON.parse(unread.subarray(colon + 1, end).toString());
      unread = unread.subarray(end);
      if (!Array.isArray(message)) continue; // the greeting
      const [, id, error, result] = message;
      const call = waiting.get(id);
      waiting.delete(id);
      if (error) call?.reject(new Error(`${error.error}: ${error.message}`));
      else call?.resolve(result && "value" in result ? result.value : result);
    }
  });
  socket.on("close", () => {
    for (const { reject } of waiting.values()) reject(new Error("Firefox has ended"));
  });
  const ask = (name: string, parameters: Parameters): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = ++asked;
      waiting.set(id, { resolve, reject });
      const message = JSON.stringify([0, id, name, parameters]);
      socket.write(`${Buffer.byteLength(message)}:${message}`);
    });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  await ask("WebDriver:NewSession", {});
  return {
    send: (name, parameters = {}) => ask(commands[name][1], parameters),
    async end() {
      await ask("Marionette:Quit", { flags: ["eForceQuit"] });
    },
  };
}
