import { MemoryVectorStore } from "@langchain/classic/vectorstores/memory";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { RunnablePassthrough, RunnableSequence } from "@langchain/core/runnables";
import { ChatLorito, LoritoEmbeddings } from "lorito/langchain";
import { facts, learned } from "./learned.js";

const lorito = await learned();
const model = new ChatLorito({ lorito, temperature: 0, maxTokens: 40 });
const chain = ChatPromptTemplate.fromMessages([["human", "{question}"]]).pipe(model).pipe(new StringOutputParser());
const answers = [];
for (const [question] of facts) answers.push(await chain.invoke({ question }));

const streamed = [];
for await (const piece of await chain.stream({ question: facts[0][0] })) streamed.push(piece);

const tokens = [];
const callbacks = [{ handleLLMNewToken: (token) => void tokens.push(token) }];
await model.invoke(facts[1][0], { callbacks });

const stopped = await model.invoke(facts[0][0], { stop: ["mends"] });

const abort = new AbortController();
let aborted = "not";
try {
  for await (const _ of await model.stream(facts[0][0], { signal: abort.signal })) abort.abort();
} catch (error) {
  aborted = error.name;
}

const embeddings = new LoritoEmbeddings({ lorito });
const store = await MemoryVectorStore.fromTexts(
  facts.map(([question]) => question),
  facts.map(([, answer]) => ({ answer })),
  embeddings,
);
const retriever = store.asRetriever(1);
const nearest = [];
const retrieval = RunnableSequence.from([
  { question: retriever.pipe(([document]) => document.pageContent), asked: new RunnablePassthrough() },
  ({ question, asked }) => {
    nearest.push([asked, question]);
    return { question };
  },
  chain,
]);
const retrieved = [];
for (const asked of ["Who mends the net?", "Where is that lamp?", "When does the ferry go today?"])
  retrieved.push(await retrieval.invoke(asked));
const image = { role: "user", content: [{ type: "image_url", image_url: "data:," }] };
const refused = await model.invoke([image]).catch(({ message }) => message);
lorito.close();
console.log(
  JSON.stringify({
    facts,
    answers,
    streamed,
    tokens,
    stopped: stopped.content,
    aborted,
    nearest,
    retrieved,
    refused,
    type: model._llmType(),
  }),
);
