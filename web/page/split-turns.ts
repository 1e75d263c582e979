// A text with the tokens of a chat template in it, as turns: who speaks, and what they say.
import type { TurnTokens } from "../api/lorito";

export interface ShownTurn {
  /** Undefined: no turn, but plain text between turns. */
  role: "system" | "user" | "assistant" | undefined;
  text: string;
}

/** Of each token, whose turn it begins; undefined for the one that ends turns. `onlyRead`: as the assistant's. */
function speakers({ system, user, assistant, end }: TurnTokens, onlyRead?: string): Map<string, ShownTurn["role"]> {
  const all: [string, ShownTurn["role"]][] = [
    [system, "system"],
    [user, "user"],
    [assistant, "assistant"],
    [end, undefined],
  ];
  return new Map(onlyRead ? [...all, [onlyRead, "assistant"]] : all);
}

/** Whose turn a token begins, "end" if it ends one, or undefined if it is no token of turns. */
export function turnToken(
  text: string,
  tokens: TurnTokens | undefined,
): NonNullable<ShownTurn["role"]> | "end" | undefined {
  const found = tokens && speakers(tokens);
  return found?.has(text) ? (found.get(text) ?? "end") : undefined;
}

/**
 * Undefined where the text has no turns. `onlyRead`: what stands for the assistant's token where the answer is only read;
 * `first`: whose words those before the first token and behind an ended turn are.
 */
export function splitTurns(
  text: string,
  tokens: TurnTokens | undefined,
  { onlyRead, first }: { onlyRead?: string; first?: ShownTurn["role"] } = {},
): readonly ShownTurn[] | undefined {
  if (!tokens) return undefined;
  const roles = speakers(tokens, onlyRead);
  const parts = text.split(new RegExp(`(${[...roles.keys()].map(escaped).join("|")})`));
  if (parts.length === 1) return undefined;
  let role = first;
  const turns: ShownTurn[] = [];
  for (const part of parts)
    if (roles.has(part)) role = roles.get(part) ?? first;
    else if (part.trim()) turns.push({ role, text: part.trim() });
  return turns;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
