// The chosen key: its value at the moment, and its life.
import { useMemo } from "preact/hooks";
import { type Hex, type ValueAnswer, url } from "../api.ts";
import { fromHex, line } from "../bytes.ts";
import { number, size } from "../format.ts";
import { useAnswer } from "../load.ts";
import { at, changed, key, lookAt, moment, open, status, visible } from "../state.ts";
import { KeyTimeline } from "./KeyTimeline.tsx";
import { Trouble } from "./Trouble.tsx";
import { ReadingTabs, useReading, ValueView } from "./ValueView.tsx";
import { EditKey } from "./Writes.tsx";

/** Bytes of a value that are shown. */
export const SHOWN = 65536;

function Value({ version }: { version: NonNullable<ValueAnswer["version"]> }) {
  const bytes = useMemo(() => fromHex(version.bytes), [version.bytes]);
  const whole = bytes.length === version.size;
  const as = useReading(bytes, whole);
  return (
    <>
      <div class="valuehead">
        <ReadingTabs current={as} />
        <span class="size">{size(version.size)}</span>
      </div>
      <ValueView bytes={bytes} as={as} />
      {!whole && <p class="nothing">{`The first ${size(bytes.length)} of ${size(version.size)}.`}</p>}
    </>
  );
}

function Life({ version }: { version: ValueAnswer["version"] }) {
  if (!version) return <p class="life absent" data-test="life">Does not exist at this moment</p>;
  const go = (ts: bigint) => (
    <button class="link" onClick={() => lookAt(ts)}>
      {number(ts)}
    </button>
  );
  return (
    <p class="life" data-test="life">
      Set at {go(version.start)}, {version.end === null ? "current since" : <>until {go(version.end)}</>}
    </p>
  );
}

export function KeyDetail({ hex }: { hex: Hex }) {
  const again = changed.value + (at.value === null ? Number(visible.value % 1000000007n) : 0);
  const loaded = useAnswer<ValueAnswer>(url("value", { key: hex, at: moment.value, length: SHOWN }), again);
  const answer = loaded.data?.key === hex ? loaded.data : null;
  return (
    <article class="detail" data-test="detail">
      <button class="link backto" onClick={() => open(null)}>
        &#x2190; all keys
      </button>
      <h2 class="keyname" title={hex}>
        {line(hex) || <em>empty key</em>}
      </h2>
      {loaded.error ? (
        <Trouble error={loaded.error} />
      ) : (
        answer && (
          <>
            <Life version={answer.version} />
            {answer.version && <Value version={answer.version} />}
          </>
        )
      )}
      <KeyTimeline hex={hex} />
      {status.value?.allow_writes && <EditKey hex={hex} version={answer?.version ?? null} />}
    </article>
  );
}

export function Detail() {
  const hex = key.value;
  if (hex === null) {
    return (
      <article class="detail empty">
        <p>Choose a key to see its value at this moment, and all that it was before.</p>
        <p class="keyshint">
          <kbd>j</kbd> <kbd>k</kbd> go through the keys, <kbd>&larr;</kbd> <kbd>&rarr;</kbd> through time.
        </p>
      </article>
    );
  }
  return <KeyDetail hex={hex} />;
}
