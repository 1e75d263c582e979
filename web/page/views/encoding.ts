// Shows the detected encoding of a text if it is uncertain, with a list of others to choose from.
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { Encoding, Source } from "../../api/lorito";
import { t } from "../i18n";
import { changeEncoding, chosenEncoding } from "../intake";
import type { Original, Store } from "../state";

/** Grouped by script. */
const ENCODINGS = [
  "utf-8",
  "utf-16le",
  "utf-16be",
  "windows-1252",
  "macintosh",
  "windows-1250",
  "iso-8859-2",
  "windows-1257",
  "windows-1254",
  "windows-1258",
  "windows-1253",
  "windows-1251",
  "koi8-r",
  "koi8-u",
  "ibm866",
  "windows-1255",
  "windows-1256",
  "windows-874",
  "gb18030",
  "big5",
  "shift_jis",
  "euc-jp",
  "euc-kr",
] as const satisfies readonly Encoding[];

/** Notices about bytes that the encoding does not explain. */
const DOUBTS = ["characters-replaced", "parts-in-another-encoding", "nuls-left-out"];

/** `file`: the text's original, which can be read again in another encoding. */
export function encodingChoice(
  store: Store,
  source: Source,
  file: Original | undefined,
  index: number,
): TemplateResult | typeof nothing {
  const chosen = chosenEncoding(file);
  const doubtful = source.encoding !== "utf-8" || source.notices.some(({ code }) => DOUBTS.includes(code));
  if (!file || !(chosen || doubtful)) return nothing;
  const id = `encoding-${index}`;
  const change = (event: Event) => {
    const { value } = event.target as HTMLSelectElement;
    void changeEncoding(
      store,
      file,
      ENCODINGS.find((encoding) => encoding === value),
    );
  };
  const found = chosen ? t("text.encodingAgain") : t("text.encodingFound", { encoding: source.encoding });
  return html`<span class="inline">
    <label for=${id}>${t("text.encoding")}</label>
    <select id=${id} @change=${change}>
      <option value="" .selected=${live(chosen === undefined)}>${found}</option>
      ${ENCODINGS.map(
        (encoding) =>
          html`<option value=${encoding} .selected=${live(encoding === chosen)}>${t(`encoding.${encoding}`)}</option>`,
      )}
    </select>
  </span>`;
}
