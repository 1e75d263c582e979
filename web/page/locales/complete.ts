// What English must have words for, as types: nothing of this file runs. A code without a sentence, a setting without a name
// or a sentence that wants a value that its code does not carry is an error of the compiler here.
import type { EngineReason } from "../../shared/engines";
import type { ErrorCode, Problem } from "../../shared/errors";
import type { Unit } from "../../shared/settings";
import type { Wanted } from "../i18n";
import type { Field } from "../settings";
import type english from "./en.json";

type English = typeof english;

/** The keys that English lacks; never, if it has them all. */
type Missing<Key extends string> = Exclude<Key, keyof English>;

/** The codes, and of each the values beside it. */
type ValuesOf<Code extends ErrorCode> = keyof Extract<Problem, { code: Code }>;

/** The sentences for a code: the one for all, and those for a kind of it. */
type Sentences<Code extends ErrorCode> = Extract<keyof English, `code.${Code}` | `code.${Code}.${string}`>;

/** The values that sentences want and their codes do not carry. */
type Lacking = {
  [Code in ErrorCode]: {
    [Key in Sentences<Code>]: Exclude<Wanted<English[Key]>, ValuesOf<Code>> extends infer Name extends string
      ? `${Name} in ${Key}`
      : never;
  }[Sentences<Code>];
}[ErrorCode];

/** Codes that are sentences' own, not an error's: what nobody foresaw. */
type Fallback = "code.unknown";

/** Sentences for codes that do not exist. */
type Idle = {
  [Key in Extract<keyof English, `code.${string}`>]: Key extends Fallback | Sentences<ErrorCode> ? never : Key;
}[Extract<keyof English, `code.${string}`>];

/** Does not compile unless `Names` is never, and names them. */
type None<Names extends never> = Names;

export type Complete =
  | None<Missing<`code.${ErrorCode}`>>
  | None<Lacking>
  | None<Idle>
  // A GPU that works needs no explanation.
  | None<Missing<`engine.reason.${Exclude<EngineReason, "gpu-found">}`>>
  | None<Missing<`setting.${Field}` | `hint.${Field}` | `unit.${Unit}`>>;
