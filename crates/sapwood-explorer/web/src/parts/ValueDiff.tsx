// Two values side by side: by lines where both are text, as digits where they are not.
import { diffLines, diffWordsWithSpace } from "diff";
import { useMemo } from "preact/hooks";
import { type Hex, type Ts, type ValueAnswer, url } from "../api.ts";
import { fromHex, hexRows, isText, pieces, prettyJson } from "../bytes.ts";
import { number, size } from "../format.ts";
import { useAnswer } from "../load.ts";
import { changed } from "../state.ts";
import { SHOWN } from "./Detail.tsx";
import { Trouble } from "./Trouble.tsx";

interface Line {
  kind: "same" | "old" | "new";
  text: string;
}

/** More lines than these are not compared: it would take long, and nobody reads them. */
const LINES_MAX = 5000;

/** A value as lines; null where it is no text. */
function lines(bytes: Uint8Array): string | null {
  const json = bytes.length > 0 && /^\s*[[{]/.test(String.fromCharCode(...bytes.subarray(0, 16))) ? prettyJson(bytes) : null;
  if (json) return json.map((token) => token.text).join("");
  if (!isText(bytes)) return null;
  return pieces(bytes, true).map((piece) => piece.text).join("");
}

function digits(bytes: Uint8Array): string {
  return hexRows(bytes).map((row) => `${row.offset}  ${row.digits.padEnd(48)}  ${row.characters}`).join("\n");
}

function compare(old: Uint8Array, now: Uint8Array): Line[] {
  const [oldLines, newLines] = [lines(old), lines(now)];
  const [left, right] = oldLines !== null && newLines !== null ? [oldLines, newLines] : [digits(old), digits(now)];
  if (left.split("\n").length + right.split("\n").length > LINES_MAX) {
    return [{ kind: "same", text: `More than ${number(LINES_MAX)} lines: look at the values one by one.` }];
  }
  const ended = (text: string) => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
  return diffLines(ended(left), ended(right)).flatMap((part) => {
    const kind = part.added ? "new" : part.removed ? "old" : "same";
    return part.value.replace(/\n$/, "").split("\n").map((text): Line => ({ kind, text }));
  });
}

/** A line with the words that differ from another marked. */
function Words({ kind, text, beside }: Line & { beside: string | null }) {
  if (beside === null) return <>{text || " "}</>;
  const parts = kind === "old" ? diffWordsWithSpace(text, beside) : diffWordsWithSpace(beside, text);
  const shown = parts.filter((part) => (kind === "old" ? !part.added : !part.removed));
  // Marks in a line that is new altogether tell nothing.
  const same = shown.filter((part) => !part.added && !part.removed).reduce((sum, part) => sum + part.value.trim().length, 0);
  if (same * 4 < text.length) return <>{text}</>;
  return (
    <>
      {shown.map((part, index) => (part.added || part.removed ? <mark key={index}>{part.value}</mark> : part.value))}
    </>
  );
}

const SIGNS = { same: " ", old: "-", new: "+" };

function Lines({ found }: { found: Line[] }) {
  // A line that took the place of another one is compared with it by words.
  const beside = (index: number): string | null => {
    const [before, here, after] = [found[index - 1], found[index], found[index + 1]];
    if (here?.kind === "old" && after?.kind === "new" && before?.kind !== "old" && found[index + 2]?.kind !== "new") return after.text;
    if (here?.kind === "new" && before?.kind === "old" && after?.kind !== "new" && found[index - 2]?.kind !== "old") return before.text;
    return null;
  };
  return (
    <pre class="value lines" tabIndex={0} data-test="linediff">
      {found.map((line, index) => (
        <span key={index} class={`line ${line.kind}`}>
          <b aria-hidden="true">{SIGNS[line.kind]}</b>
          <span>
            <Words {...line} beside={beside(index)} />
          </span>
        </span>
      ))}
    </pre>
  );
}

function useValue(key: Hex, at: Ts) {
  return useAnswer<ValueAnswer>(url("value", { key, at, length: SHOWN }), changed.value);
}

const NONE = new Uint8Array();

export function ValueDiff({ hex, old, now }: { hex: Hex; old: Ts; now: Ts }) {
  const [left, right] = [useValue(hex, old), useValue(hex, now)];
  const version = (loaded: typeof left, ts: Ts) => (loaded.data?.key === hex && loaded.data.at === ts ? loaded.data : null);
  const [oldAnswer, newAnswer] = [version(left, old), version(right, now)];
  const found = useMemo(() => {
    if (!oldAnswer || !newAnswer) return null;
    const bytes = (answer: ValueAnswer) => (answer.version ? fromHex(answer.version.bytes) : NONE);
    return compare(bytes(oldAnswer), bytes(newAnswer));
  }, [oldAnswer, newAnswer]);
  const error = left.error ?? right.error;
  if (error) return <Trouble error={error} />;
  if (!found || !oldAnswer || !newAnswer) return <p class="nothing">&hellip;</p>;
  const told = (answer: ValueAnswer) => (answer.version ? size(answer.version.size) : "absent");
  const isCut = [oldAnswer, newAnswer].some((answer) => (answer.version?.size ?? 0) > SHOWN);
  return (
    <div class="valuediff">
      <p class="legend">
        <span class="old">{`${number(old)}: ${told(oldAnswer)}`}</span>
        <span class="new">{`${number(now)}: ${told(newAnswer)}`}</span>
        {isCut && <span>{`only the first ${size(SHOWN)} of each`}</span>}
      </p>
      <Lines found={found} />
    </div>
  );
}
