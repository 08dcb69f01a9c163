// Changes of the database, where they are allowed.
import { type ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type Hex, type Ts, type ValueAnswer, write } from "../api.ts";
import { fromHex, isText, pieces, toHex, typed } from "../bytes.ts";
import { number, size } from "../format.ts";
import { lookAt, moment, refresh, status, visible } from "../state.ts";

/** A write under way, and what came of it. */
function useWrite() {
  const [told, setTold] = useState<{ text: string; failed: boolean } | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async (work: () => Promise<string>) => {
    setBusy(true);
    try {
      const text = await work();
      // Told once the page shows it.
      await refresh();
      setTold({ text, failed: false });
    } catch (error) {
      setTold({ text: (error as Error).message, failed: true });
    } finally {
      setBusy(false);
    }
  };
  const note = told && (
    <p class={told.failed ? "note failed" : "note"} role="status" data-test="note">
      {told.text}
    </p>
  );
  return { run, busy, note };
}

/** A button that asks once more before it does what cannot be undone. */
function Sure({ children, busy, onSure, test }: { children: ComponentChildren; busy: boolean; onSure: () => void; test: string }) {
  const [asked, setAsked] = useState(false);
  if (!asked) {
    return (
      <button type="button" class="danger" disabled={busy} data-test={test} onClick={() => setAsked(true)}>
        {children}
      </button>
    );
  }
  const end = (sure: boolean) => {
    setAsked(false);
    if (sure) onSure();
  };
  return (
    <span class="sure">
      <button type="button" class="danger" data-test={`${test}-sure`} onClick={() => end(true)}>
        Yes: {children}
      </button>
      <button type="button" onClick={() => end(false)}>
        No
      </button>
    </span>
  );
}

async function set(key: Hex, value: Hex): Promise<string> {
  const { timestamp } = await write<{ timestamp: Ts }>("set", { key, value });
  lookAt(null);
  return `Set: the commit is ${number(timestamp)}.`;
}

/** Text as it is typed here: escapes stand for bytes. */
function editable(hex: Hex): string {
  const bytes = fromHex(hex);
  if (isText(bytes)) return new TextDecoder().decode(bytes).replaceAll("\\", "\\\\");
  return pieces(bytes, false).map((piece) => piece.text).join("");
}

export function EditKey({ hex, version }: { hex: Hex; version: ValueAnswer["version"] }) {
  const [text, setText] = useState<string | null>(null);
  const { run, busy, note } = useWrite();
  const whole = version === null || version.bytes.length / 2 === version.size;
  const remove = async () => {
    const { timestamp } = await write<{ timestamp: Ts }>("delete", { key: hex });
    lookAt(null);
    return `Deleted: the commit is ${number(timestamp)}.`;
  };
  const save = (event: Event) => {
    event.preventDefault();
    void run(() => set(hex, typed(text ?? "")));
    setText(null);
  };
  return (
    <section class="writes" aria-label="Change this key">
      {text === null ? (
        <div class="buttons">
          <button disabled={busy || !whole} data-test="edit" onClick={() => setText(version ? editable(version.bytes) : "")}>
            Set a new value
          </button>
          <Sure busy={busy} onSure={() => void run(remove)} test="delete">
            Delete
          </Sure>
        </div>
      ) : (
        <form onSubmit={save}>
          <label>
            New value, as a commit on top of the newest state; \xNN is a byte
            <textarea rows={6} spellcheck={false} data-test="new-value" value={text} onInput={(event) => setText(event.currentTarget.value)} />
          </label>
          <div class="buttons">
            <button type="submit" disabled={busy} data-test="save">
              Set
            </button>
            <button type="button" onClick={() => setText(null)}>
              Cancel
            </button>
          </div>
        </form>
      )}
      {note}
    </section>
  );
}

export function NewKey() {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const { run, busy, note } = useWrite();
  const save = (event: Event) => {
    event.preventDefault();
    void run(() => set(typed(name), toHex(fromHex(typed(value)))));
  };
  return (
    <form class="card" onSubmit={save}>
      <h3>Set a key</h3>
      <label>
        Key
        <input value={name} spellcheck={false} data-test="new-key" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label>
        Value
        <input value={value} spellcheck={false} data-test="new-key-value" onInput={(event) => setValue(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={busy} data-test="set">
        Set
      </button>
      {note}
    </form>
  );
}

export function PinForm() {
  const [name, setName] = useState("");
  const { run, busy, note } = useWrite();
  const save = (event: Event) => {
    event.preventDefault();
    const ts = moment.value;
    void run(async () => {
      await write("pin", { name, at: ts });
      return `Pinned ${number(ts)} as ${name}.`;
    });
  };
  return (
    <form class="card" onSubmit={save}>
      <h3>Pin the moment looked at</h3>
      <label>
        {`A name for ${number(moment.value)}`}
        <input required value={name} data-test="pin-name" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <button type="submit" disabled={busy} data-test="pin-set">
        Pin
      </button>
      {note}
    </form>
  );
}

export function PruneForm() {
  const { run, busy, note } = useWrite();
  const before = moment.value;
  const prune = async () => {
    const report = await write<{ floor: Ts; rows_dropped: number; bytes_reclaimed: number }>("prune", { before });
    return `The floor is ${number(report.floor)}; ${number(report.rows_dropped)} versions dropped, ${size(report.bytes_reclaimed)} given back.`;
  };
  return (
    <div class="card">
      <h3>Prune</h3>
      <p>{`All versions that ended at or before ${number(before)}, the moment looked at, are dropped for good, but for what is pinned.`}</p>
      <Sure busy={busy || before > visible.value} onSure={() => void run(prune)} test="prune">
        {`Prune before ${number(before)}`}
      </Sure>
      {note}
    </div>
  );
}

export function Unpin({ name }: { name: string }) {
  const { run, busy, note } = useWrite();
  if (!status.value?.allow_writes) return null;
  const unpin = async () => {
    await write("unpin", { name });
    return `${name} was unpinned.`;
  };
  return (
    <>
      <Sure busy={busy} onSure={() => void run(unpin)} test="unpin">
        Unpin
      </Sure>
      {note}
    </>
  );
}
