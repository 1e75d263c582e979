//! Bytes of files to documents of clean text, and their split.
