// The entry point of the worker that searches documents for passages. It is a worker of its own, so that neither the page nor
// training waits for a long text, and so that who asks nothing of documents downloads nothing of it.
import { expose } from "comlink";
import type { PassagesApi } from "../../shared/passages";
import { PassageIndex } from "./passage-index";

let index = new PassageIndex();

expose({
  add: (source, documents) => index.add(source, documents),
  clear: () => {
    index = new PassageIndex();
  },
  find: (question, count) => index.find(question, count),
  excerpts: (question, passage) => index.excerpts(question, passage),
} satisfies PassagesApi);
