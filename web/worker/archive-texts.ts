// Extracts the texts of an archive: all chats in it, or else every file that can be read as text.

import type { Problem } from "../shared/errors";
import { baseOf, documentKind, folderOf, isLitter, isText, modelFolders, mostTexts, shortNames } from "../shared/kinds";
import type { NamedFile } from "../shared/protocol";
import type { Archive } from "./archive";

/** Largest total size of the texts, in bytes: the page's limit. */
const largest = 2 ** 30;
/** Bytes from a file's beginning by which the crate detects a chat. */
const head = 2 ** 14;
/** Largest number of text files examined. */
const mostLooked = 4096;

/** Files that identify documents of Word, LibreOffice and Apple, e-books and Java programs. */
const documents = /^(\[Content_Types\]\.xml|mimetype|META-INF\/(container\.xml|MANIFEST\.MF)|.*\.iwa)$/;
/** Chat files in exports of ChatGPT, Claude, Telegram, Facebook and Instagram, among many files without conversations. */
const exportedChats = /(^|\/)(conversations(-\d+)?|result|message_\d+)\.json$/;
const chatFields = /"(mapping|chat_messages|messages|chats|participants)"\s*:/;

export interface ArchiveTexts {
  texts: NamedFile[];
  notices: Problem[];
}

/**
 * `name`: the archive's own. `isChat`: whether a text with this beginning is a WhatsApp chat. Photos are not unpacked, and
 * texts only once their total size is known to fit.
 */
export async function textsOf(
  archive: Archive,
  name: string,
  isChat: (start: string) => Promise<boolean>,
): Promise<ArchiveTexts> {
  const { names } = archive;
  if (modelFolders(names).length > 0) throw { code: "model-not-text", name } satisfies Problem;
  if (names.some((entry) => documents.test(entry))) throw { code: "file-binary", name, kind: "zip" } satisfies Problem;
  const all = names.filter((entry) => !isLitter(entry));
  const readable = all.filter(isText);
  if (readable.length === 0) throw withoutText(name, all);
  const chats = await chatsAmong(archive, readable, isChat);
  const wanted = chats.length > 0 ? chats : readable;
  if (wanted.length > mostTexts)
    throw { code: "too-many-texts", count: wanted.length, limit: mostTexts } satisfies Problem;
  const bytes = wanted.reduce((sum, entry) => sum + archive.sizeOf(entry), 0);
  if (bytes > largest) throw { code: "file-too-large", name, bytes, limit: largest } satisfies Problem;
  const shown = sourceNames(wanted, name);
  const texts: NamedFile[] = [];
  for (const [index, entry] of wanted.entries())
    texts.push({ name: shown[index] ?? entry, data: await archive.unpack(entry) });
  // Photos and documents beside a chat are expected, so only skipped texts are reported then.
  const told = chats.length > 0 ? readable.filter((entry) => documentKind(entry) === undefined) : all;
  const passedOver = told.filter((entry) => !wanted.includes(entry));
  return { texts, notices: passedOver.length > 0 ? [leftInArchive(name, passedOver)] : [] };
}

async function chatsAmong(
  archive: Archive,
  readable: readonly string[],
  isChat: (start: string) => Promise<boolean>,
): Promise<string[]> {
  const chats: string[] = [];
  const likely = readable.filter((entry) => /\.txt$/i.test(entry) || exportedChats.test(entry));
  for (const entry of likely.slice(0, mostLooked)) {
    const start = decoded(await archive.start(entry, head));
    if (exportedChats.test(entry) ? chatFields.test(start) : await isChat(start)) chats.push(entry);
  }
  return chats;
}

/** Decodes the beginning of a text, well enough to detect a chat; the crate later detects the encoding. */
function decoded(start: Uint8Array): string {
  const [first, second] = start;
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(start);
}

/** Names chats by their archive or folder: an iPhone calls every chat "_chat.txt". */
function sourceNames(entries: readonly string[], archive: string): string[] {
  const nameless = (entry: string) => baseOf(entry) === "_chat.txt";
  const own = shortNames(entries.map((entry) => (nameless(entry) ? folderOf(entry) || archive : entry)));
  return own.map((short, index) => (nameless(entries[index] ?? "") && short !== archive ? `${short}.txt` : short));
}

function withoutText(name: string, all: readonly string[]): Problem {
  const found = all.slice(0, 4).map(baseOf);
  return { code: "archive-without-text", name, found, ...(all.length === 0 ? { kind: "empty" } : {}) };
}

function leftInArchive(name: string, entries: readonly string[]): Problem {
  return { code: "left-in-archive", name, count: entries.length, found: entries.slice(0, 4).map(baseOf) };
}
