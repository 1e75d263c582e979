"""The text that `continue_training.py` trains on: from files to documents, to a training and a validation part, and to
tokens. All as in Lorito's page, so that a loss here means what it means there.
"""

import codecs
import csv
import io
import json
import math
import re
import unicodedata
from array import array
from pathlib import Path

import numpy as np
import torch

# What PyTorch's cross-entropy leaves out: tokens that the model reads but is not to learn.
NOT_LEARNED = -100


class Mistake(Exception):
    """Something that the person who started the script can mend; the message says how."""


# --- Text: files to documents -----------------------------------------------------------------------------------------
#
# A document is a list of pieces (text, learned). Plain text is one piece, all of it learned. In a conversation the
# assistant's answers are learned, and the rest is only read.

# Those of Windows-1252, as bytes.
QUOTATION_MARKS = b"\x80\x82\x84\x85\x91\x92\x93\x94\x95\x96\x97\x99"

# Separates documents in plain text.
END_OF_TEXT = "<|endoftext|>"

SUFFIXES = {".txt", ".md", ".jsonl", ".ndjson", ".json", ".csv", ".tsv"}


def read_documents(paths, field, tokenizer, say):
    """The documents of files and folders. `say` is told what is left out."""
    documents = []
    for path in paths:
        if not path.exists():
            raise Mistake(f"There is no {path}. --text wants the files that the model learns from.")
        files = [path]
        if path.is_dir():
            files = [file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES]
            files = sorted(file for file in files if not belongs_to_a_model(file, path))
        for file in files:
            documents += read_file(file, field, tokenizer, say)
    if not documents:
        raise Mistake(f"There is no text in {', '.join(map(str, paths))}.")
    return documents


def belongs_to_a_model(file, folder):
    """Whether a file found in `folder` is of a model there, such as its README.md: nobody means that."""
    parents = (parent for parent in file.parents if parent.is_relative_to(folder))
    return any((parent / "model.safetensors").exists() for parent in parents)


def read_file(path, field, tokenizer, say):
    """The documents of one file."""
    text = decode(path.read_bytes())
    kind = path.suffix.lower()
    if kind in {".jsonl", ".ndjson"}:
        rows = read_lines(path, text, say)
    elif kind == ".json":
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise Mistake(f"{path} is no JSON: {error}.") from None
        rows = rows if isinstance(rows, list) else [rows]
    elif kind in {".csv", ".tsv"}:
        csv.field_size_limit(1 << 30)
        delimiter = max(",;\t", key=text.partition("\n")[0].count)
        rows = list(csv.DictReader(io.StringIO(text), delimiter=delimiter))
    else:
        # As scripts for GPT-2 want it, the end of text separates documents; line ends beside it do, too.
        parts = [part.strip("\n") for part in text.split(END_OF_TEXT)] if END_OF_TEXT in text else [text]
        return [[(part, True)] for part in parts if part.strip()]

    conversations = [row["messages"] for row in rows if isinstance(row, dict) and isinstance(row.get("messages"), list)]
    if conversations:
        return [render_conversation(path, tokenizer, messages) for messages in conversations]
    field = field or likely_field(rows)
    texts = [row.get(field) if isinstance(row, dict) else row for row in rows]
    texts = [whole(text) for text in texts if isinstance(text, str) and text.strip()]
    if not texts:
        fields = sorted({str(name) for row in rows if isinstance(row, dict) for name in row})
        if not fields:
            raise Mistake(f"No row of {path} has text.")
        raise Mistake(f"No row of {path} has text in {field!r}. --field wants one of: {', '.join(fields)}.")
    return [[(normalise_newlines(text), True)] for text in texts]


def decode(data):
    """UTF-16, with a mark or without, or UTF-8, also with some stray bytes in it; other bytes are taken for Windows-1252.
    Of other encodings, which the page finds out, save a copy in UTF-8. NULs are left out."""
    wide = wide_encoding(data)
    if wide:
        return normalise_newlines(data.decode(wide, errors="replace").removeprefix("\ufeff").replace("\0", ""))
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    try:
        return normalise_newlines(data.decode())
    except UnicodeDecodeError:
        pass
    pair = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
    data = pair.sub(lambda found: whole(found.group().decode(errors="surrogatepass")).encode(), data)
    strays = []

    def mend(error):
        """The quotation mark or dash of Windows-1252 that a stray byte most likely is, or U+FFFD."""
        stray = data[error.start : error.end]
        strays.append(stray)
        likely = stray in QUOTATION_MARKS and error.end == error.start + 1
        return stray.decode("cp1252") if likely else "\ufffd", error.end

    codecs.register_error("mend", mend)
    text = data.decode(errors="mend")
    letters = sum(not letter.isascii() for letter in text) - len(strays)
    if letters < 10 * len(strays):
        text = data.decode("cp1252", errors="replace")
    return normalise_newlines(text)


def wide_encoding(data):
    """UTF-16 in which order of bytes: by its mark, or by where the zeros of Latin letters stand."""
    for mark, encoding in [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")]:
        if data.startswith(mark):
            return encoding
    head = data[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) * 10 >= len(head) // 2 * 7 and min(even, odd) * 20 <= max(even, odd) and max(even, odd) > 0:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None


def normalise_newlines(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


def whole(text):
    """JSON may hold half a surrogate pair, which no encoder takes: each becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_lines(path, text, say):
    rows, broken = [], 0
    for line in filter(str.strip, text.split("\n")):
        try:
            rows.append(json.loads(line))
        except ValueError:
            broken += 1
    if broken and not rows:
        raise Mistake(f"No line of {path} is JSON. If it is plain text, give it a name that ends in .txt.")
    if broken:
        say(f"{broken} lines of {path} are no JSON and are left out.")
    return rows


def likely_field(rows):
    """A name that data sets use for their text, otherwise the field with the most letters."""
    letters = {}
    for row in rows[:50]:
        for name, text in row.items() if isinstance(row, dict) else []:
            if isinstance(text, str):
                letters[name] = letters.get(name, 0) + sum(map(str.isalpha, text))
    for wanted in ["text", "content", "body"]:
        for name in letters:
            if str(name).lower() == wanted:
                return name
    return max(letters, key=letters.get, default=None)


def render_conversation(path, tokenizer, messages):
    """The text that the page makes of a conversation too. What the assistant says, its end included, is learned."""
    if not tokenizer.chat_template:
        raise Mistake(f"{path} holds conversations, and this model has no chat template to read them with.")

    def render(messages, **options):
        try:
            return tokenizer.apply_chat_template(messages, tokenize=False, **options)
        except Exception as error:  # Whatever a template may throw: TypeError, KeyError, Jinja's own errors.
            raise Mistake(f"A conversation in {path} does not fit the model's chat template: {error!r}.") from None

    question = [{"role": "user", "content": "?"}]
    begin_answer = render(question, add_generation_prompt=True)[len(render(question)) :]
    pieces, done = [], ""
    for index, message in enumerate(messages):
        text = render(messages[: index + 1])
        turn = text[len(done) :]
        if message["role"] == "assistant" and turn.startswith(begin_answer):
            pieces.append((begin_answer, False))
            # An answer of weight 0 is only read.
            pieces.append((turn[len(begin_answer) :], message.get("weight") != 0))
        else:
            pieces.append((turn, False))
        done = text
    # The end of text that follows is not learned: the answer has ended before it.
    return [*pieces, ("", False)]


# --- Split: documents to train on, documents to validate on -----------------------------------------------------------
#
# The page's own rules, number for number: only then does a model meet in validation nothing that it was trained on.

SPLIT_SEED = 1337
BITS_64 = (1 << 64) - 1


def split_documents(documents, held_back="documents"):
    """Whole documents validate, or the last tenth of each, as the page was told. Conversations are never cut."""
    if held_back == "ends" and all(len(pieces) == 1 for pieces in documents):
        parts = [cut_last_tenth(text) for [(text, _)] in documents]
        return tuple([[(text, True)] for text in side if text] for side in zip(*parts, strict=True))
    if len(documents) > 1:
        validates = choose_validation(["".join(text for text, _ in pieces) for pieces in documents])
        train = [pieces for pieces, chosen in zip(documents, validates, strict=True) if not chosen]
        return train, [pieces for pieces, chosen in zip(documents, validates, strict=True) if chosen]
    [pieces] = documents
    if len(pieces) > 1:
        raise Mistake("There is one conversation, and two are needed: one to learn from, one to test with.")
    [(text, learned)] = pieces
    train, validation = cut_last_tenth(text)
    return [[(train, learned)]], [[(validation, learned)]] if validation else []


def choose_validation(texts):
    """Which documents validate: in an order given by their hashes, until they hold a tenth of all characters."""
    characters = [len(text) for text in texts]
    # Letters and their accents may be written as one or apart: the text is the same.
    hashes = [hash_text(unicodedata.normalize("NFC", text).encode()) for text in texts]
    order = sorted(range(len(texts)), key=lambda index: (mix(hashes[index] ^ SPLIT_SEED), index))
    groups = []  # Documents with the same text stay together.
    for index in order:
        if groups and hashes[groups[-1][0]] == hashes[index]:
            groups[-1].append(index)
        else:
            groups.append([index])
    if len(groups) == 1:
        groups = [[index] for index in order]

    def size(group):
        return sum(characters[index] for index in group)

    total, held, chosen = sum(characters), 0, [False] * len(texts)
    for most in [total // 5, total // 2]:
        for group in groups:
            if held < math.ceil(total / 10) and held + size(group) <= most and not chosen[group[0]]:
                for index in group:
                    chosen[index] = True
                held += size(group)
        groups.sort(key=size)
    return chosen


def hash_text(data):
    state, whole_words = len(data), len(data) // 8 * 8
    words = np.frombuffer(data[:whole_words], "<u8").tolist() + list(data[whole_words:])
    for word in words:
        rotated = (state << 23 | state >> 41) & BITS_64
        state = (rotated ^ word) * 0x9E3779B97F4A7C15 & BITS_64
    return mix(state)


def mix(state):
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & BITS_64
    state = (state ^ state >> 27) * 0x94D049BB133111EB & BITS_64
    return state ^ state >> 31


def cut_last_tenth(text):
    """Cuts before the last tenth of the characters, at the start of a line if there is one near."""
    if len(text) < 2:
        return text, ""
    data = text.encode()
    exact = len(text[: -math.ceil(len(text) / 10)].encode())
    near = (len(data) - exact) // 20
    before = data.rfind(b"\n", exact - min(near, exact - 1) - 1, exact) + 1
    after = data.find(b"\n", exact - 1, max(exact + near - 1, 0)) + 1
    at = before or after or exact
    if before and after and after - exact < exact - before:
        at = after
    return data[:at].decode(), data[at:].decode()


# --- Tokens and windows -----------------------------------------------------------------------------------------------


def end_of_text(tokenizer):
    """The id between documents: the first of those that end what the model writes. None if texts never end."""
    described = Path(tokenizer.name_or_path) / "generation_config.json"
    ends = json.loads(described.read_text(encoding="utf-8")).get("eos_token_id") if described.is_file() else None
    if isinstance(ends, list):
        ends = ends[0] if ends else None
    return tokenizer.eos_token_id if ends is None else ends


def begin_of_text(tokenizer):
    with_all = tokenizer.backend_tokenizer.encode("a").ids
    plain = tokenizer.backend_tokenizer.encode("a", add_special_tokens=False).ids
    return next((with_all[:at] for at in range(len(with_all)) if with_all[at : at + len(plain)] == plain), [])


class Tokens:
    """The ids of documents one after another, the end of text after each."""

    def __init__(self, documents, tokenizer):
        ids, learned = array("I"), bytearray()
        end, begins, starts = end_of_text(tokenizer), begin_of_text(tokenizer), True
        for batch in batches(cut_pieces(documents), 256):
            encoded = tokenizer.backend_tokenizer.encode_batch([text for text, _, _ in batch], add_special_tokens=False)
            for (_, learns, ends), encoding in zip(batch, encoded, strict=True):
                if starts and learns:
                    ids.extend(begins)
                    learned.extend([learns] * len(begins))
                starts = ends
                ids.extend(encoding.ids)
                learned.extend([learns] * len(encoding.ids))
                if ends and end is not None:
                    ids.append(end)
                    learned.append(learns)
        self.ids = np.frombuffer(ids, np.uint32) if ids else np.empty(0, np.uint32)
        self.learned = np.frombuffer(learned, bool) if learned else np.empty(0, bool)

    def __len__(self):
        return len(self.ids)

    @property
    def largest(self):
        return int(self.ids.max(initial=0))

    def windows(self, starts, length, device):
        """Inputs and, one place further on, what the model should say: `[windows, length]` each."""
        places = np.asarray(starts)[:, None] + np.arange(length)
        targets = np.where(self.learned[places + 1], self.ids[places + 1].astype(np.int64), NOT_LEARNED)
        return (torch.from_numpy(array.astype(np.int64)).to(device) for array in (self.ids[places], targets))


def batches(items, size):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def cut_pieces(documents):
    """Pieces (text, learned, last of its document), none much longer than 64 KB: an encoding takes a hundred times its
    text. No token reaches from a letter into the line feed behind it, so a cut there changes no id."""
    before_line_feed = re.compile(r"(?<=\S)(?=\n)")
    for document in documents:
        for index, (text, learned) in enumerate(document):
            start = 0
            while cut := before_line_feed.search(text, start + (1 << 16)):
                yield text[start : cut.start()], learned, False
                start = cut.start()
            yield text[start:], learned, index == len(document) - 1
