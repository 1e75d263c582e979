// What a reader of documents is, and what it returns. Types only.
import type { DocumentPart } from "lorito-wasm";
import type { Problem } from "../../shared/errors";
import type { DocumentKind } from "../../shared/kinds";

/** Parts of a document of which there is no text. */
export interface LeftOut {
  kind: DocumentPart;
  count: number;
}

export interface Document {
  /** The text, in UTF-8 unless the crate is to find the encoding. */
  data: Blob;
  leftOut: LeftOut[];
}

/** Takes the fraction of the file that has been read. */
export type Progress = (part: number) => void;

/** Throws a Problem, or an Error with what is wrong with the file. */
export type Reader = (name: string, file: Blob, progress: Progress) => Promise<Document>;

/** What the worker that reads is told, and what it answers: its progress, and at last the document or a problem. */
export interface Order {
  name: string;
  kind: DocumentKind;
  file: Blob;
}
export type Answer = { part: number } | { document: Document } | { problem: Problem };
