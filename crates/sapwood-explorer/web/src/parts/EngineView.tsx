// The engine itself: what it does now, what it takes on the disk, and what it keeps for whom.
import { useEffect, useState } from "preact/hooks";
import { type Status, type Storage, url } from "../api.ts";
import { count, number, size, span, time } from "../format.ts";
import { useAnswer } from "../load.ts";
import { changed, floor, lookAt, status, visible } from "../state.ts";
import { NewKey, PinForm, PruneForm, Unpin } from "./Writes.tsx";

/** Figures over the last minutes, while the page is open. */
interface Sample {
  ms: number;
  commits: number;
  recent_bytes: number;
  open_snapshots: number;
  conflicts: number;
}

const SAMPLES = 90;
const samples: Sample[] = [];

function record(now: Status) {
  const last = samples[samples.length - 1];
  if (last && now.now_ms <= last.ms) return;
  const { commits, recent_bytes, open_snapshots, conflicts } = now.stats;
  samples.push({ ms: now.now_ms, commits, recent_bytes, open_snapshots, conflicts });
  if (samples.length > SAMPLES) samples.shift();
}

status.subscribe((now) => now && record(now));

/** What a count grew by each second, between samples. */
function rates(of: (sample: Sample) => number): number[] {
  return samples.slice(1).map((sample, index) => {
    const before = samples[index];
    return before ? Math.max(0, of(sample) - of(before)) / Math.max(0.001, (sample.ms - before.ms) / 1000) : 0;
  });
}

function Spark({ values }: { values: number[] }) {
  const [width, height] = [120, 28];
  const top = Math.max(1e-9, ...values);
  const step = width / (SAMPLES - 1);
  const points = values.map((value, index) => `${(width - (values.length - 1 - index) * step).toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`);
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {points.length > 1 && <polyline points={points.join(" ")} />}
    </svg>
  );
}

function Tile({ name, value, values, note }: { name: string; value: string; values?: number[]; note?: string }) {
  return (
    <div class="tile">
      <h4>{name}</h4>
      <p>{value}</p>
      {values ? <Spark values={values} /> : <small>{note ?? ""}</small>}
    </div>
  );
}

function Live({ now }: { now: Status }) {
  const perSecond = rates((sample) => sample.commits);
  const conflicts = rates((sample) => sample.conflicts);
  const last = (values: number[]) => (values[values.length - 1] ?? 0).toFixed(1);
  const { stats } = now;
  return (
    <section aria-label="Live" class="tiles" data-test="live">
      <Tile name="Commits a second" value={last(perSecond)} values={perSecond} />
      <Tile name="Conflicts a second" value={last(conflicts)} values={conflicts} />
      <Tile name="Not merged yet" value={size(stats.recent_bytes)} values={samples.map((sample) => sample.recent_bytes)} />
      <Tile name="Open snapshots" value={number(stats.open_snapshots)} values={samples.map((sample) => sample.open_snapshots)} />
      <Tile name="Open transactions" value={number(stats.open_transactions)} note={`${count(stats.conflict_keys, "key")} on record`} />
      <Tile
        name="Oldest snapshot"
        value={stats.oldest_snapshot === null ? "none" : number(stats.oldest_snapshot)}
        note={stats.oldest_snapshot_ms === null ? "" : `held for ${span(stats.oldest_snapshot_ms)}`}
      />
      <Tile name="Retention debt" value={size(stats.retention_debt_bytes)} note="kept for nobody" />
      <Tile name="Since it was opened" value={count(stats.commits, "commit")} note={`in ${count(stats.groups, "write")}, ${number(stats.synced_groups)} synced`} />
    </section>
  );
}

function Stored({ storage }: { storage: Storage }) {
  const all = storage.keyspaces;
  const top = Math.max(1, ...all.map((one) => one.size_bytes));
  const total = all.reduce((sum, one) => sum + one.size_bytes, 0);
  const levels = [...new Set(all.flatMap((one) => one.levels.map((level) => level.level)))].sort((a, b) => a - b);
  return (
    <section class="card storage" aria-label="Storage" data-test="storage">
      <h3>
        Storage <span>{size(total)}</span>
      </h3>
      <div class="keyspaces">
        {all.map((one) => {
          const inFiles = one.levels.reduce((sum, level) => sum + level.size_bytes, 0);
          const part = (bytes: number) => `${(bytes / top) * 100}%`;
          return (
            <div class="keyspace" key={one.keyspace}>
              <span class="label">{one.keyspace}</span>
              <span class="bar">
                {one.levels.map((level) => (
                  <i key={level.level} class={`level l${level.level}`} style={{ width: part(level.size_bytes) }} title={`level ${level.level}: ${size(level.size_bytes)} in ${count(level.files, "file")}`} />
                ))}
                <i class="memory" style={{ width: part(Math.max(0, one.size_bytes - inFiles)) }} title={`in memory: ${size(Math.max(0, one.size_bytes - inFiles))}`} />
              </span>
              <span class="size">{size(one.size_bytes)}</span>
            </div>
          );
        })}
      </div>
      <p class="legend">
        {levels.map((level) => (
          <span key={level}>
            <i class={`swatch level l${level}`} />
            {`level ${level}`}
          </span>
        ))}
        <span>
          <i class="swatch memory" />
          in memory
        </span>
      </p>
      {levels.length > 0 && (
        <div class="tablebox">
          <table>
            <thead>
              <tr>
                <th scope="col">keyspace</th>
                {levels.map((level) => (
                  <th key={level} scope="col">{`level ${level}`}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {all.map((one) => (
                <tr key={one.keyspace}>
                  <th scope="row">{one.keyspace}</th>
                  {levels.map((number) => {
                    const level = one.levels.find((level) => level.level === number);
                    return <td key={number}>{level ? `${size(level.size_bytes)} in ${level.files}` : ""}</td>;
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Held({ now }: { now: Status }) {
  return (
    <section class="card" aria-label="What is kept" data-test="held">
      <h3>Kept</h3>
      <dl>
        <dt>newest timestamp</dt>
        <dd>{number(visible.value)}</dd>
        <dt>prune floor</dt>
        <dd>{number(floor.value)}</dd>
        <dt>epoch</dt>
        <dd>{`${number(now.epoch)}${now.epoch === 0 ? ", never rolled back" : ""}`}</dd>
      </dl>
      <h4>{count(now.pins.length, "pin")}</h4>
      <ul class="held">
        {now.pins.map((pin) => (
          <li key={pin.name}>
            <button class="link" onClick={() => lookAt(pin.timestamp)}>
              {pin.name}
            </button>
            <span>{number(pin.timestamp)}</span>
            <small>{pin.expires_ms === null ? "until it is unpinned" : `until ${time(pin.expires_ms)}`}</small>
            <Unpin name={pin.name} />
          </li>
        ))}
      </ul>
      <h4>{count(now.feeds.length, "feed")}</h4>
      <ul class="held">
        {now.feeds.map((feed) => (
          <li key={feed.name}>
            <span>{feed.name}</span>
            <span>{number(feed.timestamp)}</span>
            <small>{feed.is_let_go ? "let go: it was too far behind" : "acknowledged"}</small>
          </li>
        ))}
      </ul>
    </section>
  );
}

const PERIOD_MS = 10000;

export function EngineView() {
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setAsked((before) => before + 1), PERIOD_MS);
    return () => clearInterval(timer);
  }, []);
  const storage = useAnswer<Storage>(url("storage"), asked + 1000 * changed.value);
  const now = status.value;
  if (!now) return null;
  return (
    <div class="engine">
      <Live now={now} />
      <div class="cards">
        {storage.data && <Stored storage={storage.data} />}
        <Held now={now} />
        {now.allow_writes && (
          <>
            <PinForm />
            <PruneForm />
            <NewKey />
          </>
        )}
      </div>
    </div>
  );
}
