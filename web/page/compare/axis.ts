// Computes the x-coordinates of recorded curves: step, training time or tokens read.
import type { RunRecord } from "../../api/lorito";

export const AXES = ["step", "time", "tokens"] as const;
export type Axis = (typeof AXES)[number];

export const LOSSES = ["validation", "training"] as const;
export type Loss = (typeof LOSSES)[number];

const column = { time: 1, tokens: 2 } as const;

/** Returns a function from a step to its coordinate on an axis, interpolated between recorded times. */
export function placesOf({ clock, step: end, seconds, tokens }: RunRecord, axis: Axis): (step: number) => number {
  if (axis === "step") return (step) => step;
  const at = column[axis];
  const noted: readonly (readonly [number, number, number])[] = [[0, 0, 0], ...clock, [end, seconds, tokens]];
  return (step) => {
    // Binary search for the first entry that is not before the step.
    let [low, high] = [0, noted.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((noted[middle]?.[0] ?? 0) < step) low = middle + 1;
      else high = middle;
    }
    const [right, left] = [noted[low], noted[low - 1]];
    if (!right || !left || right[0] === left[0]) return right?.[at] ?? 0;
    return left[at] + ((right[at] - left[at]) * (step - left[0])) / (right[0] - left[0]);
  };
}

/** The points of a curve: x-coordinates and losses. */
export function curveOf(record: RunRecord, loss: Loss, axis: Axis): [places: number[], losses: number[]] {
  const points =
    loss === "training"
      ? record.curve
      : record.evaluations.flatMap(({ step, validationLoss }) =>
          validationLoss === null ? [] : [{ step, loss: validationLoss }],
        );
  const place = placesOf(record, axis);
  return [points.map(({ step }) => place(step)), points.map(({ loss }) => loss)];
}
