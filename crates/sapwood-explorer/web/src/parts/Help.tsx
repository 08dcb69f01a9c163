// What the keyboard does.
import { useEffect, useRef } from "preact/hooks";
import { help } from "../state.ts";

export const KEYS: [string, string][] = [
  ["\u2190 \u2192", "one commit back, one on; with Shift the second moment"],
  ["Page Up, Page Down", "a twentieth of the time axis back, or on"],
  ["Home, End", "the oldest state, the newest"],
  ["j k", "the next key, the one before"],
  ["/", "search keys by prefix"],
  ["c", "compare with another moment, or no longer"],
  ["1 2 3", "state, changes, engine"],
  ["t", "light or dark"],
  ["Esc", "close, or leave the search"],
  ["?", "these keys"],
];

export function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const isOpen = help.value;
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
    else dialog.current?.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} onClose={() => (help.value = false)} aria-label="Keys" data-test="help-dialog">
      <h2>Keys</h2>
      <dl class="keyboard">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p>The address in the browser holds the moment, the key and the view: it can be kept, and sent.</p>
      <p>
        This page contains free software of others: <a href="./licences.txt">their licences</a>.
      </p>
      <button onClick={() => (help.value = false)}>Close</button>
    </dialog>
  );
}
