// Draws a text as a QR code, as one path: dark modules on white in both colour schemes, which scanners need.
import { correction, generate } from "lean-qr/nano";
import { svg, type TemplateResult } from "lit";

/** Width of the quiet zone in modules (ISO/IEC 18004). */
const QUIET = 4;

export function qrCode(text: string): TemplateResult {
  const code = generate(text, { minCorrectionLevel: correction.M });
  const dark: string[] = [];
  for (let y = 0; y < code.size; y++)
    for (let x = 0; x < code.size; x++) if (code.get(x, y)) dark.push(`M${x} ${y}h1v1h-1z`);
  const width = code.size + 2 * QUIET;
  return svg`<svg viewBox="${-QUIET} ${-QUIET} ${width} ${width}" shape-rendering="crispEdges" aria-hidden="true">
    <rect x=${-QUIET} y=${-QUIET} width=${width} height=${width} fill="#fff"/>
    <path d=${dark.join("")} fill="#000"/>
  </svg>`;
}
