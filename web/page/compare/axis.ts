// Where the points of recorded curves stand: at their steps, at the time that training had taken by then, or at the tokens
// that had been read.
import type { RunRecord } from "../../api/lorito";

export const AXES = ["step", "time", "tokens"] as const;
export type Axis = (typeof AXES)[number];

export const LOSSES = ["validation", "training"] as const;
export type Loss = (typeof LOSSES)[number];

const column = { time: 1, tokens: 2 } as const;

/** The place of a step on an axis, between the two times that were noted around it. */
export function placeOf({ clock, step: end, seconds, tokens }: RunRecord, step: number, axis: Axis): number {
  if (axis === "step") return step;
  const at = column[axis];
  const noted = [[0, 0, 0], ...clock, [end, seconds, tokens]] as const;
  const after = noted.findIndex(([noted]) => noted >= step);
  const [right, left] = [noted[after] ?? noted[noted.length - 1], noted[Math.max(0, after - 1)]];
  if (!right || !left || right[0] === left[0]) return right?.[at] ?? 0;
  return left[at] + ((right[at] - left[at]) * (step - left[0])) / (right[0] - left[0]);
}

/** The points of a curve: places, and losses. */
export function curveOf(record: RunRecord, loss: Loss, axis: Axis): [places: number[], losses: number[]] {
  const points =
    loss === "training"
      ? record.curve
      : record.evaluations.flatMap(({ step, validationLoss }) =>
          validationLoss === null ? [] : [{ step, loss: validationLoss }],
        );
  return [points.map(({ step }) => placeOf(record, step, axis)), points.map(({ loss }) => loss)];
}
