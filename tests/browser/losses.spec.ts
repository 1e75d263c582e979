// The limits after which an engine that is lost repeatedly is given up.
import { Losses } from "../../web/api/losses";
import { expect, test } from "./guard";
import { onceIsEnough } from "./person";

onceIsEnough();

const minute = 60_000;

test("the third loss within a minute exceeds the limit, unless the run has advanced", () => {
  const stuck = new Losses();
  expect([0, 1000, 2000].map((at) => stuck.add(at))).toEqual([false, false, true]);
  const slow = new Losses();
  expect([0, minute / 2, minute].map((at) => slow.add(at))).toEqual([false, false, false]);
  const further = new Losses();
  const lost = [0, 1000, 2000, 3000].map((at) => {
    const tooMany = further.add(at);
    further.progressed();
    return tooMany;
  });
  expect(lost).toEqual([false, false, false, false]);
  further.clear();
  expect([4000, 5000, 6000].map((at) => further.add(at))).toEqual([false, false, true]);
});

test("the 25th loss within ten minutes exceeds the limit, even if the run advances each time", () => {
  const lose = (times: number, every: number) => {
    const losses = new Losses();
    return Array.from({ length: times }, (_, number) => {
      const tooMany = losses.add(number * every);
      losses.progressed();
      return tooMany;
    });
  };
  expect(lose(25, 20_000)).toEqual([...Array(24).fill(false), true]);
  expect(lose(60, 25_000)).toEqual(Array(60).fill(false));
});
