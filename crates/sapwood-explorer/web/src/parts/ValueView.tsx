// A value, read as text, JSON, an integer or digits.
import { useMemo } from "preact/hooks";
import { type Reading, hexRows, integers, likely, pieces, prettyJson } from "../bytes.ts";
import { reading } from "../state.ts";

const READINGS: [Reading, string][] = [
  ["text", "Text"],
  ["json", "JSON"],
  ["integer", "Integer"],
  ["hex", "Hex"],
];

/** How a value is read: as was chosen, or as it seems to be meant. */
export function useReading(bytes: Uint8Array, whole: boolean): Reading {
  const guessed = useMemo(() => likely(bytes, whole), [bytes, whole]);
  return reading.value === "auto" ? guessed : reading.value;
}

export function ReadingTabs({ current }: { current: Reading }) {
  return (
    <div class="segments readings" role="group" aria-label="Read as">
      <button aria-pressed={reading.value === "auto"} data-test="as-auto" onClick={() => (reading.value = "auto")}>
        Auto
      </button>
      {READINGS.map(([name, label]) => (
        <button
          key={name}
          aria-pressed={reading.value === name}
          class={reading.value === "auto" && current === name ? "guessed" : ""}
          data-test={`as-${name}`}
          onClick={() => (reading.value = name)}
        >
          {label}
        </button>
      ))}
    </div>
  );
}

function Text({ bytes }: { bytes: Uint8Array }) {
  if (bytes.length === 0) return <p class="nothing">The value is empty: it has no bytes.</p>;
  return (
    <pre class="value" tabIndex={0} data-test="value">
      {pieces(bytes, true).map((piece, index) => (piece.escaped ? <i key={index}>{piece.text}</i> : piece.text))}
    </pre>
  );
}

function Json({ bytes }: { bytes: Uint8Array }) {
  const tokens = useMemo(() => prettyJson(bytes), [bytes]);
  if (!tokens) return <p class="nothing" data-test="value">These bytes are no JSON.</p>;
  return (
    <pre class="value" tabIndex={0} data-test="value">
      {tokens.map((token, index) => (
        <span key={index} class={`json-${token.kind}`}>{token.text}</span>
      ))}
    </pre>
  );
}

function Integers({ bytes }: { bytes: Uint8Array }) {
  const found = integers(bytes);
  if (found.length === 0) return <p class="nothing" data-test="value">These bytes are no integer: they are empty or more than 32, and no digits.</p>;
  return (
    <table class="integers" data-test="value">
      <tbody>
        {found.map(([name, number]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{number}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Digits({ bytes }: { bytes: Uint8Array }) {
  const rows = useMemo(() => hexRows(bytes.subarray(0, 16384)), [bytes]);
  if (bytes.length === 0) return <p class="nothing">The value is empty: it has no bytes.</p>;
  return (
    <pre class="value digits" tabIndex={0} data-test="value">
      {rows.map((row) => (
        <span key={row.offset} class="digitrow">
          <b>{row.offset}</b>
          <span>{row.digits}</span>
          <i>{row.characters}</i>
        </span>
      ))}
    </pre>
  );
}

export function ValueView({ bytes, as }: { bytes: Uint8Array; as: Reading }) {
  switch (as) {
    case "text":
      return <Text bytes={bytes} />;
    case "json":
      return <Json bytes={bytes} />;
    case "integer":
      return <Integers bytes={bytes} />;
    case "hex":
      return <Digits bytes={bytes} />;
  }
}
