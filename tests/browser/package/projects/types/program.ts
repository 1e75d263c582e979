import { type ChatMessage, createLorito, type Lorito, LoritoError, type ModelSummary } from "lorito";
import type { LoritoChat } from "lorito/chat";
import { ChatLorito } from "lorito/langchain";

export async function program(): Promise<[ModelSummary, string]> {
  const lorito: Lorito = createLorito({ engine: "cpu", workers: 1, storage: false });
  const summary = await lorito.createModel({ preset: "tiny", layers: 2 });
  const messages: ChatMessage[] = [{ role: "user", content: "Who mends the net?" }];
  const { text, dropped } = await lorito.chat(messages, { maxTokens: 10, onToken: (piece: string) => piece });
  const count: number = dropped + summary.config.layers;
  const element: LoritoChat | null = document.querySelector("lorito-chat");
  const model = new ChatLorito({ lorito, temperature: 0.5 });
  try {
    const answer = await model.invoke("Who?");
    // @ts-expect-error An engine has one of two names.
    createLorito({ engine: "quantum" });
    // @ts-expect-error A model has no such setting.
    await lorito.createModel({ depth: 2 });
    return [summary, `${text}${count}${element?.id}${answer.text}`];
  } catch (thrown) {
    if (thrown instanceof LoritoError && thrown.code === "no-model") return [summary, ""];
    throw thrown;
  }
}
