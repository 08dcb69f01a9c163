// The time axis: commits over the whole history, the moment looked at, a second one to compare with, pins and the floor.
import { useMemo, useRef, useState } from "preact/hooks";
import { type Commit, type Ts, url } from "../api.ts";
import { type Axis, axis as makeAxis, columns, place, ticks, timeAt, timestampAt } from "../axis.ts";
import { count, day, number, span, time } from "../format.ts";
import { useAnswer } from "../load.ts";
import {
  at, bars, byTime, byTimestamp, changed, floor, lookAt, moment, other, scale, status, step, toggleCompare, visible,
} from "../state.ts";
import { useWidth } from "./useWidth.ts";

const HEIGHT = 104;
const COLUMN = 4;

/** The axis as wide as it is drawn; null before anything is known. */
export function useAxis(width: number): Axis | null {
  const timeline = byTimestamp.value;
  const pins = status.value?.pins ?? [];
  const hasPruned = (timeline?.floor ?? 0n) > 0n;
  return useMemo(
    () => (timeline && width > 0 ? makeAxis(timeline, scale.value, width, hasPruned) : null),
    [timeline, width, scale.value, hasPruned, pins.length],
  );
}

/** The commit that made the state of a moment. */
function useCommit(ts: Ts): Commit | null {
  const page = useAnswer<{ commits: Commit[] }>(url("commits", { before: ts + 1n, limit: 1 }), changed.value);
  return page.data?.commits[0] ?? null;
}

function Readout() {
  const ts = moment.value;
  const commit = useCommit(ts);
  const [text, setText] = useState<string | null>(null);
  const jump = (event: Event) => {
    event.preventDefault();
    if (text !== null && /^\d{1,20}$/.test(text.trim())) lookAt(BigInt(text.trim()));
    setText(null);
  };
  const second = other.value;
  return (
    <div class="readout">
      <div class="steps" role="group" aria-label="Move by commits">
        <button class="icon" aria-label="The oldest state" title="Home" onClick={() => lookAt(floor.value)}>&#x21E4;</button>
        <button class="icon" aria-label="One commit back" title="Left arrow" data-test="back" onClick={() => void step(false, false)}>&#x2190;</button>
        <form onSubmit={jump}>
          <label class="moment">
            <span>moment</span>
            <input
              inputMode="numeric"
              aria-label="The timestamp looked at"
              data-test="moment"
              value={text ?? number(ts)}
              onFocus={(event) => {
                setText(ts.toString());
                const input = event.currentTarget;
                queueMicrotask(() => input.select());
              }}
              onInput={(event) => setText(event.currentTarget.value)}
              onBlur={() => setText(null)}
            />
          </label>
        </form>
        <button class="icon" aria-label="One commit on" title="Right arrow" data-test="forward" onClick={() => void step(true, false)}>&#x2192;</button>
        <button class={at.value === null ? "icon on" : "icon"} aria-label="The newest state" aria-pressed={at.value === null} title="End" data-test="newest" onClick={() => lookAt(null)}>&#x21E5;</button>
      </div>
      <div class="commit" data-test="commit">
        {commit ? (
          <>
            <strong>{commit.time_ms > 0 ? time(commit.time_ms) : "no time of day"}</strong>
            <span>
              {commit.timestamp === ts ? "" : `commit ${number(commit.timestamp)}: `}
              {number(commit.sets)} set, {number(commit.deletes)} deleted
            </span>
          </>
        ) : (
          <span>{ts < floor.value ? "below the prune floor" : ts === 0n ? "before every commit" : "no commit is recorded here"}</span>
        )}
      </div>
      <div class="choices">
        <button class={second === null ? "compare" : "compare on"} aria-pressed={second !== null} data-test="compare" onClick={toggleCompare}>
          {second === null ? "Compare" : `with ${number(second)}`}
          {second !== null && <span aria-hidden="true"> &times;</span>}
        </button>
        <div class="segments" role="group" aria-label="Scale of the axis">
          <button aria-pressed={scale.value === "time"} data-test="scale-time" onClick={() => (scale.value = "time")}>time</button>
          <button aria-pressed={scale.value === "number"} data-test="scale-number" onClick={() => (scale.value = "number")}>timestamp</button>
        </div>
        <div class="segments" role="group" aria-label="What the bars count">
          <button aria-pressed={bars.value === "commits"} onClick={() => (bars.value = "commits")}>commits</button>
          <button aria-pressed={bars.value === "changes"} data-test="bars-changes" onClick={() => (bars.value = "changes")}>changes</button>
        </div>
      </div>
    </div>
  );
}

function Bars({ axis }: { axis: Axis }) {
  const timed = byTime.value;
  const numbered = byTimestamp.value;
  const inner = axis.width - axis.strip;
  const total = Math.max(1, Math.floor(inner / COLUMN));
  const found = useMemo(() => {
    const timeline = axis.scale === "time" ? timed : numbered;
    return timeline ? columns(axis, timeline.buckets, timeline.width, total) : [];
  }, [axis, timed, numbered, total]);
  const value = (column: { commits: number; changes: number }) => (bars.value === "commits" ? column.commits : Math.sqrt(column.changes));
  const top = Math.max(1e-9, ...found.map(value));
  const path = found
    .map((column, index) => {
      const amount = value(column);
      if (amount <= 0) return "";
      const height = Math.max(2, (amount / top) * (HEIGHT - 8));
      const x = axis.strip + (index * inner) / total;
      return `M${x.toFixed(1)} ${HEIGHT}v${(-height).toFixed(1)}h${(inner / total - 1).toFixed(1)}V${HEIGHT}z`;
    })
    .join("");
  return <path class="bars" d={path} />;
}

function Marks({ axis }: { axis: Axis }) {
  const pins = status.value?.pins ?? [];
  const feeds = (status.value?.feeds ?? []).filter((feed) => !feed.is_let_go);
  const now = floor.value;
  return (
    <>
      {axis.strip > 0 && <rect class="pruned" x="0" y="0" width={axis.strip} height={HEIGHT} fill="url(#hatch)" />}
      {axis.strip > 0 && (
        <g class="floor" data-test="floor">
          <title>{`the prune floor, ${number(now)}: nothing below it can be read but what is pinned`}</title>
          <line x1={axis.strip} x2={axis.strip} y1="0" y2={HEIGHT} />
          <text x={axis.strip + 4} y="11">floor</text>
        </g>
      )}
      {feeds.map((feed) => (
        <g class="feed" key={`feed ${feed.name}`}>
          <title>{`the feed ${feed.name} was acknowledged up to ${number(feed.timestamp)}`}</title>
          <path d={`M${place(axis, feed.timestamp)} ${HEIGHT - 2}l-5 -8h10z`} />
        </g>
      ))}
      {pins.map((pin) => {
        const x = place(axis, pin.timestamp);
        return <line key={pin.name} class="pinned" x1={x} x2={x} y1="6" y2={HEIGHT} />;
      })}
    </>
  );
}

/** The flags of the pins, each a button that goes there. */
function Flags({ axis }: { axis: Axis }) {
  return (
    <>
      {(status.value?.pins ?? []).map((pin) => (
        <button
          key={pin.name}
          class="flag"
          data-test="pin"
          aria-label={`Look at the pin ${pin.name}, ${number(pin.timestamp)}`}
          title={`the pin ${pin.name} at ${number(pin.timestamp)}`}
          style={{ left: `${place(axis, pin.timestamp)}px` }}
          onPointerDown={(event) => event.stopPropagation()}
          onClick={() => lookAt(pin.timestamp)}
        >
          <svg viewBox="0 0 12 14" width="12" height="14" aria-hidden="true">
            <path d="M1 1h10l-3.5 4L11 9H1z" />
          </svg>
        </button>
      ))}
    </>
  );
}

function Chart({ axis }: { axis: Axis }) {
  const box = useRef<HTMLDivElement>(null);
  const dragged = useRef<"at" | "other" | null>(null);
  const [hover, setHover] = useState<number | null>(null);
  const pinned = (status.value?.pins ?? []).map((pin) => pin.timestamp);
  const xOf = (event: PointerEvent) => event.clientX - (box.current?.getBoundingClientRect().left ?? 0);
  const set = (x: number) => {
    const ts = timestampAt(axis, x, pinned);
    if (dragged.current === "other") other.value = ts;
    else lookAt(ts);
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const x = xOf(event);
    const second = other.value === null ? null : place(axis, other.value);
    const reach = event.pointerType === "touch" ? 24 : 14;
    const near = second !== null && Math.abs(second - x) < reach && Math.abs(second - x) < Math.abs(place(axis, moment.value) - x);
    dragged.current = event.shiftKey || near ? "other" : "at";
    box.current?.setPointerCapture(event.pointerId);
    set(x);
  };
  const move = (event: PointerEvent) => {
    const x = xOf(event);
    setHover(x >= 0 && x <= axis.width ? x : null);
    if (dragged.current) set(x);
  };
  const up = () => (dragged.current = null);
  const x = place(axis, moment.value);
  const second = other.value === null ? null : place(axis, other.value);
  const value = Math.round((x / Math.max(1, axis.width)) * 1000);
  return (
    <div
      class="chart"
      ref={box}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onPointerLeave={() => setHover(null)}
    >
      <svg width={axis.width} height={HEIGHT + 20} aria-hidden="true">
        <defs>
          <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <line x1="0" y1="0" x2="0" y2="6" class="hatch" />
          </pattern>
        </defs>
        <Bars axis={axis} />
        {second !== null && <rect class="between" x={Math.min(x, second)} y="0" width={Math.abs(x - second)} height={HEIGHT} />}
        <line class="ground" x1="0" x2={axis.width} y1={HEIGHT + 0.5} y2={HEIGHT + 0.5} />
        {ticks(axis).map((tick) => (
          <g key={tick.label + tick.x} class="tick">
            <line x1={tick.x} x2={tick.x} y1={HEIGHT} y2={HEIGHT + 4} />
            <text x={Math.min(Math.max(tick.x, 18), axis.width - 24)} y={HEIGHT + 16} text-anchor="middle">
              {tick.label}
            </text>
          </g>
        ))}
        <Marks axis={axis} />
        {hover !== null && <line class="hover" x1={hover} x2={hover} y1="0" y2={HEIGHT} />}
        {second !== null && <line class="second" x1={second} x2={second} y1="0" y2={HEIGHT} />}
        <line class="first" x1={x} x2={x} y1="0" y2={HEIGHT} />
      </svg>
      <div
        class="thumb first"
        role="slider"
        tabIndex={0}
        aria-label="The moment looked at"
        aria-orientation="horizontal"
        aria-valuemin={0}
        aria-valuemax={1000}
        aria-valuenow={value}
        aria-valuetext={`timestamp ${number(moment.value)} of ${number(visible.value)}`}
        data-test="slider"
        style={{ left: `${x}px` }}
      />
      {second !== null && (
        <div
          class="thumb second"
          role="slider"
          tabIndex={0}
          aria-label="The moment to compare with"
          aria-orientation="horizontal"
          aria-valuemin={0}
          aria-valuemax={1000}
          aria-valuenow={Math.round((second / Math.max(1, axis.width)) * 1000)}
          aria-valuetext={`timestamp ${number(other.value ?? 0n)}`}
          data-test="second"
          style={{ left: `${second}px` }}
        />
      )}
      <Flags axis={axis} />
      <Tags axis={axis} />
      {hover !== null && dragged.current === null && <Hint axis={axis} x={hover} pinned={pinned} />}
    </div>
  );
}

/** The timestamps of the moments, above them: inside of the axis, and beside each other where they are near. */
function Tags({ axis }: { axis: Axis }) {
  const half = (ts: Ts) => number(ts).length * 4 + 8;
  const inside = (x: number, ts: Ts) => Math.min(Math.max(x, half(ts)), axis.width - half(ts));
  const tags = [
    ...(other.value === null ? [] : [{ ts: other.value, name: "second", x: inside(place(axis, other.value), other.value) }]),
    { ts: moment.value, name: "first", x: inside(place(axis, moment.value), moment.value) },
  ].sort((a, b) => a.x - b.x);
  const [left, right] = tags;
  if (left && right) {
    const apart = half(left.ts) + half(right.ts);
    if (right.x - left.x < apart) left.x = Math.max(half(left.ts), right.x - apart);
    if (right.x - left.x < apart) right.x = left.x + apart;
  }
  return (
    <>
      {tags.map((tag) => (
        <span key={tag.name} class={`tag ${tag.name}`} style={{ left: `${tag.x}px` }}>
          {number(tag.ts)}
        </span>
      ))}
    </>
  );
}

function Hint({ axis, x, pinned }: { axis: Axis; x: number; pinned: Ts[] }) {
  const ts = timestampAt(axis, x, pinned);
  const when = axis.scale === "time" && x >= axis.strip ? day(timeAt(axis, x)) : "";
  return (
    <span class="hint" style={{ left: `${Math.min(Math.max(x, 60), axis.width - 60)}px` }}>
      {when} {`#${number(ts)}`}
    </span>
  );
}

function Legend() {
  const timeline = byTimestamp.value;
  const pins = status.value?.pins.length ?? 0;
  if (!timeline) return null;
  const first = timeline.buckets[0];
  const last = timeline.buckets[timeline.buckets.length - 1];
  const length = first && last ? last.last_ms - first.first_ms : 0;
  return (
    <p class="legend">
      <span>{count(timeline.commits, "commit")}</span>
      {length > 0 && <span>{`over ${span(length)}`}</span>}
      {!timeline.complete && <span>counting&hellip;</span>}
      {timeline.floor > 0n && <span>{`floor ${number(timeline.floor)}`}</span>}
      {pins > 0 && <span>{count(pins, "pin")}</span>}
      {bars.value === "changes" && <span>bars: square root of changed keys</span>}
      <span class="wide">Shift-drag chooses a moment to compare with</span>
    </p>
  );
}

export function TimePanel() {
  const { element, width } = useWidth<HTMLDivElement>();
  const axis = useAxis(width);
  return (
    <section class="time" aria-label="Time">
      <Readout />
      <div class="chartbox" ref={element}>
        {axis && <Chart axis={axis} />}
      </div>
      <Legend />
    </section>
  );
}
