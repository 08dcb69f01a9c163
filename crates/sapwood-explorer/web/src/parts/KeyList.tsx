// The keys of the state: searched by prefix, page by page.
import { useEffect, useRef } from "preact/hooks";
import { type Hex, type KeysPage, url } from "../api.ts";
import { line, typed } from "../bytes.ts";
import { number, size } from "../format.ts";
import { usePages } from "../load.ts";
import { at, changed, key, moment, open, prefix } from "../state.ts";
import { Trouble } from "./Trouble.tsx";

type Row = KeysPage["rows"][number];

const ROWS = 200;
const ROWS_MAX = 1000;

/** What the keyboard goes through: the keys that are shown. */
export const shown: { keys: Hex[] } = { keys: [] };

function useRows() {
  const search = typed(prefix.value);
  const list = `${at.value ?? "newest"} ${search}`;
  const before = useRef({ list, rows: 0 });
  // The newest state is asked for anew with each commit, as far as it was shown.
  const rows = before.current.list === list ? Math.min(ROWS_MAX, Math.max(ROWS, before.current.rows)) : ROWS;
  const pages = usePages<Row, Hex>(
    `${list} ${moment.value} ${changed.value}`,
    (after) => url("keys", { at: moment.value, prefix: search || null, after, limit: after === null ? rows : ROWS }),
    (answer: KeysPage) => ({ items: answer.rows, next: answer.next }),
  );
  if (!pages.loading) before.current = { list, rows: pages.items.length };
  return pages;
}

/** A prefix longer than this is left out of the keys that begin with it: what tells them apart comes behind. */
const PREFIX_MAX = 16;

/** A key as a list shows it. */
export function listed(text: string, searched: string): string {
  return searched.length > PREFIX_MAX && text.startsWith(searched) ? `\u2026${text.slice(searched.length)}` : text;
}

function KeyRow({ row, chosen, searched }: { row: Row; chosen: boolean; searched: string }) {
  const element = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (chosen) element.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const text = line(row.key);
  return (
    <li ref={element} id={`key-${row.key}`} role="option" aria-selected={chosen} onClick={() => open(row.key)} title={text}>
      <span class="keytext">{text === "" ? <em>empty key</em> : listed(text, searched)}</span>
      <span class="preview">{line(row.value.head)}</span>
      <span class="size">{size(row.value.size)}</span>
    </li>
  );
}

export function KeyList() {
  const rows = useRows();
  const searched = line(typed(prefix.value));
  shown.keys = rows.items.map((row) => row.key);
  const more = useRef<HTMLDivElement>(null);
  // The next page, when its place comes into sight.
  useEffect(() => {
    const node = more.current;
    if (!node || !rows.more || rows.loading) return;
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && rows.next());
    observer.observe(node);
    return () => observer.disconnect();
  });
  return (
    <section class="keys" aria-label="Keys">
      <label class="search">
        <span class="visually-hidden">Keys that begin with</span>
        <input
          type="search"
          placeholder="Keys that begin with&hellip;"
          spellcheck={false}
          autocapitalize="off"
          autocomplete="off"
          data-test="search"
          value={prefix.value}
          onInput={(event) => (prefix.value = event.currentTarget.value)}
        />
        <kbd aria-hidden="true">/</kbd>
      </label>
      <p class="tally" data-test="tally" aria-live="polite">
        {rows.error ? "" : `${number(rows.items.length)}${rows.more ? "+" : ""} ${rows.items.length === 1 && !rows.more ? "key" : "keys"}`}
        {rows.loading && <span class="busy" aria-label="loading" />}
      </p>
      {rows.error ? (
        <Trouble error={rows.error} />
      ) : (
        <div class="scroll">
          <ul
            role="listbox"
            aria-label="Keys of this state"
            tabIndex={0}
            aria-activedescendant={key.value === null ? undefined : `key-${key.value}`}
            data-test="keys"
          >
            {rows.items.map((row) => (
              <KeyRow key={row.key} row={row} chosen={row.key === key.value} searched={searched} />
            ))}
          </ul>
          {rows.items.length === 0 && !rows.loading && (
            <p class="nothing">{prefix.value ? "No key of this state begins so." : "This state is empty."}</p>
          )}
          {rows.more && (
            <div ref={more} class="more">
              <button onClick={rows.next}>More keys</button>
            </div>
          )}
        </div>
      )}
    </section>
  );
}
