// Splits a text with a chat template's tokens into turns.
import type { TurnTokens } from "../api/lorito";

export interface ShownTurn {
  /** Undefined: plain text between turns. */
  role: "system" | "user" | "assistant" | undefined;
  text: string;
}

/**
 * Maps each token to the role whose turn it begins, the end token to undefined. `onlyRead` counts as the assistant's
 * token.
 */
function speakers({ system, user, assistant, end }: TurnTokens, onlyRead?: string): Map<string, ShownTurn["role"]> {
  const all: [string, ShownTurn["role"]][] = [
    [system, "system"],
    [user, "user"],
    [assistant, "assistant"],
    [end, undefined],
  ];
  return new Map(onlyRead ? [...all, [onlyRead, "assistant"]] : all);
}

/** The role whose turn a token begins, "end" if it ends a turn, undefined for any other token. */
export function turnToken(
  text: string,
  tokens: TurnTokens | undefined,
): NonNullable<ShownTurn["role"]> | "end" | undefined {
  const found = tokens && speakers(tokens);
  return found?.has(text) ? (found.get(text) ?? "end") : undefined;
}

/**
 * Splits a text into turns; undefined if it has none. `onlyRead`: the token that replaces the assistant's one before
 * answers that are not trained on; `first`: the role of text before the first token and after the end of a turn.
 */
export function splitTurns(
  text: string,
  tokens: TurnTokens | undefined,
  { onlyRead, first }: { onlyRead?: string; first?: ShownTurn["role"] } = {},
): readonly ShownTurn[] | undefined {
  if (!tokens) return undefined;
  const roles = speakers(tokens, onlyRead);
  // A model that has learned little writes what begins a turn without a role behind it.
  const start = commonStart(tokens);
  if (start.endsWith("|>")) roles.set(start, undefined);
  const parts = withoutCutToken(text, [...roles.keys()]).split(
    new RegExp(`(${[...roles.keys()].map(escaped).join("|")})`),
  );
  if (parts.length === 1) return undefined;
  let role = first;
  const turns: ShownTurn[] = [];
  for (const part of parts)
    if (roles.has(part)) role = roles.get(part) ?? first;
    else if (part.trim()) turns.push({ role, text: part.trim() });
  return turns;
}

/** What the tokens of all roles begin with: `<|im_start|>` of ChatML, no token of the older ones. */
function commonStart({ system, user, assistant }: TurnTokens): string {
  let length = 0;
  while (length < system.length && user[length] === system[length] && assistant[length] === system[length]) length++;
  return system.slice(0, length);
}

/** A text without the beginning of a token with which it breaks off, as a sample does. */
function withoutCutToken(text: string, tokens: readonly string[]): string {
  const cut = tokens.flatMap((token) => Array.from(token, (_, length) => token.slice(0, length)));
  const longest = cut.filter((part) => part.length > 1 && text.endsWith(part)).sort((a, b) => b.length - a.length)[0];
  return longest ? text.slice(0, -longest.length) : text;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
