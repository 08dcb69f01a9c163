// Bytes as people read them: text, hexadecimal digits, JSON, integers. Nothing is lost on the way: what cannot be shown
// is written as an escape.
import type { Hex } from "./api.ts";

export function fromHex(hex: Hex): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function toHex(bytes: Uint8Array): Hex {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function strict(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** The length of the character at a place, 0 where none begins there. */
function lengthAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  const length = lead < 0x80 ? 1 : lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  return strict(bytes.subarray(at, at + length)) === null ? 0 : length;
}

/** A piece of a text: characters, or the escape of what is none. */
export interface Piece {
  text: string;
  escaped: boolean;
}

// Control characters, and those that would change the direction of the text around them or cannot be seen.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;

/** Text, in pieces; line ends and tabs stay where `lines` is asked for. */
export function pieces(bytes: Uint8Array, lines: boolean): Piece[] {
  const found: Piece[] = [];
  const push = (text: string, escaped: boolean) => {
    const last = found[found.length - 1];
    if (last && last.escaped === escaped) last.text += text;
    else found.push({ text, escaped });
  };
  for (let at = 0; at < bytes.length; ) {
    const length = lengthAt(bytes, at);
    if (length === 0) {
      push(`\\x${(bytes[at] ?? 0).toString(16).padStart(2, "0")}`, true);
      at += 1;
      continue;
    }
    const text = strict(bytes.subarray(at, at + length)) ?? "";
    if (lines && (text === "\n" || text === "\t")) push(text, false);
    else if (HIDDEN.test(text)) push(Array.from(bytes.subarray(at, at + length), (b) => `\\x${b.toString(16).padStart(2, "0")}`).join(""), true);
    else push(text === "\\" && !lines ? "\\\\" : text, false);
    at += length;
  }
  return found;
}

/** A key or a short value in one line. */
export function line(hex: Hex): string {
  return pieces(fromHex(hex), false)
    .map((piece) => piece.text)
    .join("");
}

/** The bytes that a typed text stands for: \xNN is a byte, \\ a backslash. */
export function typed(text: string): Hex {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (let at = 0; at < text.length; ) {
    const escape = /^\\x([0-9a-fA-F]{2})/.exec(text.slice(at, at + 4));
    if (escape) {
      bytes.push(parseInt(escape[1] ?? "0", 16));
      at += 4;
    } else if (text.startsWith("\\\\", at)) {
      bytes.push(0x5c);
      at += 2;
    } else {
      const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
      bytes.push(...encoder.encode(character));
      at += character.length;
    }
  }
  return toHex(Uint8Array.from(bytes));
}

export type Reading = "text" | "json" | "integer" | "hex";

/** Text that can be read: valid, and without control characters but line ends and tabs. */
export function isText(bytes: Uint8Array): boolean {
  const text = strict(bytes);
  return text !== null && !HIDDEN.test(text.replaceAll(/[\n\r\t]/g, ""));
}

/** How bytes are most likely meant. */
export function likely(bytes: Uint8Array, whole: boolean): Reading {
  if (isText(bytes)) {
    const text = strict(bytes) ?? "";
    return whole && /^\s*[[{]/.test(text) && prettyJson(bytes) !== null ? "json" : "text";
  }
  return whole && [1, 2, 4, 8, 16, 32].includes(bytes.length) ? "integer" : "hex";
}

/** A token of JSON, with its kind. */
export interface Token {
  text: string;
  kind: "key" | "string" | "number" | "word" | "mark";
}

/** JSON with each member on a line of its own; null where the bytes are none. Numbers stay as they were written. */
export function prettyJson(bytes: Uint8Array): Token[] | null {
  const text = strict(bytes);
  if (text === null) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const raw = text.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[{}[\],:]/gs) ?? [];
  const tokens: Token[] = [];
  let depth = 0;
  const mark = (text: string) => tokens.push({ text, kind: "mark" });
  const newline = () => mark(`\n${"  ".repeat(depth)}`);
  raw.forEach((token, index) => {
    const next = raw[index + 1];
    if (token === "{" || token === "[") {
      mark(token);
      depth += 1;
      if (next !== "}" && next !== "]") newline();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const before = raw[index - 1];
      if (before !== "{" && before !== "[") newline();
      mark(token);
    } else if (token === ",") {
      mark(token);
      newline();
    } else if (token === ":") {
      mark(": ");
    } else if (token.startsWith('"')) {
      tokens.push({ text: token, kind: next === ":" ? "key" : "string" });
    } else {
      tokens.push({ text: token, kind: /[-\d]/.test(token[0] ?? "") ? "number" : "word" });
    }
  });
  return tokens;
}

/** What bytes are as a number: a name for the way of reading, and the number. */
export function integers(bytes: Uint8Array): [string, string][] {
  const found: [string, string][] = [];
  const text = strict(bytes)?.trim() ?? "";
  if (/^0x[0-9a-fA-F]+$/.test(text)) found.push(["hexadecimal text", BigInt(text).toString()]);
  if (/^-?\d+$/.test(text)) found.push(["decimal text", BigInt(text).toString()]);
  if (bytes.length === 0 || bytes.length > 32) return found;
  const big = BigInt(`0x${toHex(bytes)}`);
  const little = BigInt(`0x${toHex(Uint8Array.from(bytes).reverse())}`);
  const bits = 8 * bytes.length;
  const signed = (number: bigint) => BigInt.asIntN(bits, number).toString();
  if (bytes.length === 1) {
    found.push([`unsigned, ${bits} bits`, big.toString()], [`signed, ${bits} bits`, signed(big)]);
    return found;
  }
  found.push(
    [`unsigned, ${bits} bits, big-endian`, big.toString()],
    [`signed, ${bits} bits, big-endian`, signed(big)],
    [`unsigned, ${bits} bits, little-endian`, little.toString()],
    [`signed, ${bits} bits, little-endian`, signed(little)],
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 8) {
    found.push(["float, 64 bits, big-endian", String(view.getFloat64(0))], ["float, 64 bits, little-endian", String(view.getFloat64(0, true))]);
  }
  return found;
}

/** Rows of sixteen bytes: where they begin, their digits, and the characters among them. */
export function hexRows(bytes: Uint8Array): { offset: string; digits: string; characters: string }[] {
  const rows = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.subarray(at, at + 16);
    const digits = Array.from(part, (byte) => byte.toString(16).padStart(2, "0"));
    const left = digits.slice(0, 8).join(" ");
    const right = digits.slice(8).join(" ");
    const characters = Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "\u00b7")).join("");
    rows.push({ offset: at.toString(16).padStart(6, "0"), digits: right ? `${left}  ${right}` : left, characters });
  }
  return rows;
}
