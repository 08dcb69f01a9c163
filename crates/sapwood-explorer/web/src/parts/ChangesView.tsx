// What changed between two moments.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Change, type DiffPage, type Hex, type Ts, url } from "../api.ts";
import { line, typed } from "../bytes.ts";
import { number, size } from "../format.ts";
import { usePages } from "../load.ts";
import { changed, compared, key, open, prefix, toggleCompare } from "../state.ts";
import { listed as inList, shown } from "./KeyList.tsx";
import { KeyTimeline } from "./KeyTimeline.tsx";
import { Trouble } from "./Trouble.tsx";
import { ValueDiff } from "./ValueDiff.tsx";

type Kind = "added" | "changed" | "removed";

const KINDS: [Kind, string][] = [
  ["added", "+"],
  ["changed", "~"],
  ["removed", "\u2212"],
];
const ROWS = 500;

function kindOf(change: Change): Kind {
  return change.old === null ? "added" : change.new === null ? "removed" : "changed";
}

function ChangeRow({ change, chosen }: { change: Change; chosen: boolean }) {
  const element = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (chosen) element.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const kind = kindOf(change);
  const sign = KINDS.find(([name]) => name === kind)?.[1];
  const sizes = [change.old, change.new].filter((value) => value !== null).map((value) => size(value.size));
  return (
    <li ref={element} id={`key-${change.key}`} role="option" aria-selected={chosen} class={kind} onClick={() => open(change.key)} title={line(change.key)}>
      <b class="sign" aria-label={kind}>{sign}</b>
      <span class="keytext">{inList(line(change.key), line(typed(prefix.value))) || <em>empty key</em>}</span>
      <span class="size">{sizes[0] === sizes[1] ? sizes[0] : sizes.join(" \u2192 ")}</span>
    </li>
  );
}

function Compared({ old, now }: { old: Ts; now: Ts }) {
  const [only, setOnly] = useState<Kind | null>(null);
  const search = typed(prefix.value);
  const pages = usePages<Change, Hex>(
    `${old} ${now} ${search} ${changed.value}`,
    (after) => url("diff", { old, new: now, prefix: search || null, after, limit: ROWS }),
    (answer: DiffPage) => ({ items: answer.changes, next: answer.next }),
  );
  const counts = new Map<Kind, number>();
  for (const change of pages.items) counts.set(kindOf(change), (counts.get(kindOf(change)) ?? 0) + 1);
  const listed = only === null ? pages.items : pages.items.filter((change) => kindOf(change) === only);
  shown.keys = listed.map((change) => change.key);
  const hex = key.value;
  const isOpen = hex !== null;
  return (
    <div class="panes" data-open={isOpen ? "detail" : "list"}>
      <section class="keys" aria-label="Changes">
        <label class="search">
          <span class="visually-hidden">Changed keys that begin with</span>
          <input
            type="search"
            placeholder="Changed keys that begin with&hellip;"
            spellcheck={false}
            autocapitalize="off"
            autocomplete="off"
            data-test="search"
            value={prefix.value}
            onInput={(event) => (prefix.value = event.currentTarget.value)}
          />
          <kbd aria-hidden="true">/</kbd>
        </label>
        <div class="tally kinds" role="group" aria-label="Show only" data-test="kinds">
          {KINDS.map(([name, sign]) => (
            <button key={name} class={name} aria-pressed={only === name} onClick={() => setOnly(only === name ? null : name)}>
              {`${sign} ${number(counts.get(name) ?? 0)}${pages.more ? "+" : ""} ${name}`}
            </button>
          ))}
          {pages.loading && <span class="busy" aria-label="loading" />}
        </div>
        {pages.error ? (
          <Trouble error={pages.error} />
        ) : (
          <div class="scroll">
            <ul role="listbox" aria-label="Changed keys" tabIndex={0} data-test="changes">
              {listed.map((change) => (
                <ChangeRow key={change.key} change={change} chosen={change.key === hex} />
              ))}
            </ul>
            {listed.length === 0 && !pages.loading && <p class="nothing">Nothing differs between these moments.</p>}
            {pages.more && !pages.loading && (
              <div class="more">
                <button onClick={pages.next}>More changes</button>
              </div>
            )}
          </div>
        )}
      </section>
      {hex === null ? (
        <article class="detail empty">
          <p>Choose a key to see how its value differs.</p>
        </article>
      ) : (
        <article class="detail" data-test="detail">
          <button class="link backto" onClick={() => open(null)}>
            &#x2190; all changes
          </button>
          <h2 class="keyname" title={hex}>
            {line(hex) || <em>empty key</em>}
          </h2>
          <ValueDiff hex={hex} old={old} now={now} />
          <KeyTimeline hex={hex} />
        </article>
      )}
    </div>
  );
}

export function ChangesView() {
  const pair = compared.value;
  if (pair === null) {
    return (
      <div class="invite">
        <p>Two moments make a difference. Shift-drag on the time axis to choose the second one.</p>
        <button onClick={toggleCompare}>Compare with an earlier moment</button>
      </div>
    );
  }
  return <Compared old={pair[0]} now={pair[1]} />;
}
