// The time axis: where a timestamp lies on it, and which one lies at a place.
//
// The axis has two scales: by the number of the timestamp, or by the time of day of its commit. What lies below the
// prune floor, where there is something, has a strip of its own at the left end, whatever the scale.
import type { Bucket, Timeline, Ts } from "./api.ts";

export type Scale = "time" | "number";

/** A place where both a timestamp and its time of day are known. */
interface Anchor {
  ts: Ts;
  ms: number;
}

export interface Axis {
  scale: Scale;
  width: number;
  /** Where the strip of what was pruned ends; 0 without one. */
  strip: number;
  /** The oldest timestamp to the right of the strip, and the newest. */
  first: Ts;
  last: Ts;
  firstMs: number;
  lastMs: number;
  anchors: Anchor[];
  buckets: Bucket[];
}

/** Timestamps with their times, which never go back here: a time of day orders nothing. */
function anchors(buckets: Bucket[]): Anchor[] {
  const found: Anchor[] = [];
  let ms = 0;
  for (const bucket of buckets) {
    ms = Math.max(ms, bucket.first_ms);
    found.push({ ts: bucket.first, ms });
    if (bucket.last > bucket.first) {
      ms = Math.max(ms, bucket.last_ms);
      found.push({ ts: bucket.last, ms });
    }
  }
  return found;
}

export function axis(timeline: Timeline, scale: Scale, width: number, hasPruned: boolean): Axis {
  const known = anchors(timeline.buckets);
  const start = known[0];
  const end = known[known.length - 1];
  const first = timeline.floor > 0n ? timeline.floor : (start?.ts ?? 0n);
  const firstMs = start?.ms ?? 0;
  const lastMs = end?.ms ?? 0;
  // Without different times there is nothing to spread.
  const isTimed = lastMs > firstMs;
  return {
    scale: isTimed ? scale : "number",
    width,
    strip: hasPruned ? Math.min(72, width * 0.12) : 0,
    first,
    last: timeline.visible > first ? timeline.visible : first,
    firstMs,
    lastMs,
    anchors: known,
    buckets: timeline.buckets,
  };
}

function fraction(value: Ts, from: Ts, to: Ts): number {
  if (to <= from) return 1;
  return Math.min(1, Math.max(0, Number(value - from) / Number(to - from)));
}

/** The last anchor at or before something. */
function before(anchors: Anchor[], isAfter: (anchor: Anchor) => boolean): number {
  let low = 0;
  let high = anchors.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const anchor = anchors[middle];
    if (anchor && !isAfter(anchor)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** When a timestamp was the newest, about. */
export function timeOf(axis: Axis, ts: Ts): number {
  const index = before(axis.anchors, (anchor) => anchor.ts > ts);
  const left = axis.anchors[index];
  const right = axis.anchors[index + 1];
  if (!left) return axis.firstMs;
  if (!right) return left.ms;
  return left.ms + fraction(ts, left.ts, right.ts) * (right.ms - left.ms);
}

/** The place of a moment of the day. */
export function placeOfTime(axis: Axis, ms: number): number {
  const span = axis.lastMs - axis.firstMs;
  const part = span > 0 ? (ms - axis.firstMs) / span : 1;
  return axis.strip + Math.min(1, Math.max(0, part)) * (axis.width - axis.strip);
}

/** The place of a timestamp. */
export function place(axis: Axis, ts: Ts): number {
  if (axis.strip > 0 && ts < axis.first) return fraction(ts, 0n, axis.first) * axis.strip;
  if (axis.scale === "time") return placeOfTime(axis, timeOf(axis, ts));
  return axis.strip + fraction(ts, axis.first, axis.last) * (axis.width - axis.strip);
}

/** The last timestamp at or below one that a commit has, as far as is known here; the first otherwise. */
function snapped(axis: Axis, ts: Ts): Ts {
  let low = 0;
  let high = axis.buckets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const bucket = axis.buckets[middle];
    if (bucket && bucket.first <= ts) low = middle + 1;
    else high = middle;
  }
  const bucket = axis.buckets[low - 1];
  if (!bucket) return axis.first;
  const inside = bucket.commits === 1 ? bucket.first : ts > bucket.last ? bucket.last : ts;
  return inside < axis.first ? axis.first : inside;
}

/** The moment of the day at a place. */
export function timeAt(axis: Axis, x: number): number {
  const part = (x - axis.strip) / Math.max(1, axis.width - axis.strip);
  return axis.firstMs + Math.min(1, Math.max(0, part)) * (axis.lastMs - axis.firstMs);
}

function between(from: Ts, to: Ts, part: number): Ts {
  const span = to - from;
  // Parts of a million keep large numbers whole.
  return from + (span * BigInt(Math.round(Math.min(1, Math.max(0, part)) * 1e6))) / 1000000n;
}

/** The timestamp to look at, at a place. In the strip it is the nearest of the pinned ones. */
export function timestampAt(axis: Axis, x: number, pinned: Ts[]): Ts {
  if (x < axis.strip) {
    const below = pinned.filter((ts) => ts < axis.first);
    const [nearest] = below.sort((a, b) => Math.abs(place(axis, a) - x) - Math.abs(place(axis, b) - x));
    return nearest ?? axis.first;
  }
  if (axis.scale === "number") {
    const part = (x - axis.strip) / Math.max(1, axis.width - axis.strip);
    return part >= 1 ? axis.last : snapped(axis, between(axis.first, axis.last, part));
  }
  const ms = timeAt(axis, x);
  const index = before(axis.anchors, (anchor) => anchor.ms > ms);
  const left = axis.anchors[index];
  const right = axis.anchors[index + 1];
  if (!left) return axis.first;
  if (!right) return axis.last;
  const part = right.ms > left.ms ? (ms - left.ms) / (right.ms - left.ms) : 0;
  return snapped(axis, between(left.ts, right.ts, part));
}

/** What lies in one column of the chart. */
export interface Column {
  commits: number;
  changes: number;
}

/** Buckets laid over columns of the chart, each shared out where it lies over several. */
export function columns(axis: Axis, buckets: Bucket[], width: bigint, columns: number): Column[] {
  const found: Column[] = Array.from({ length: columns }, () => ({ commits: 0, changes: 0 }));
  const inner = axis.width - axis.strip;
  const x = (value: bigint) =>
    axis.scale === "time"
      ? placeOfTime(axis, Number(value)) - axis.strip
      : fraction(value, axis.first, axis.last) * inner;
  for (const bucket of buckets) {
    const from = (x(bucket.start) / inner) * columns;
    const to = Math.max((x(bucket.start + width) / inner) * columns, from + 1e-6);
    const start = Math.min(columns - 1, Math.floor(from));
    for (let at = start; at < columns && at < to; at++) {
      const share = (Math.min(to, at + 1) - Math.max(from, at)) / (to - from);
      const column = found[at];
      if (!column) continue;
      const part = from >= columns - 1e-9 ? 1 : Math.max(0, share);
      column.commits += bucket.commits * part;
      column.changes += (bucket.sets + bucket.deletes) * part;
    }
  }
  return found;
}

/** Marks along the axis. */
export interface Tick {
  x: number;
  label: string;
}

const MINUTE = 60e3;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS: [number, number][] = [
  [1e3, 19], [5e3, 19], [15e3, 19], [MINUTE, 16], [5 * MINUTE, 16], [15 * MINUTE, 16], [HOUR, 16], [3 * HOUR, 16],
  [6 * HOUR, 16], [12 * HOUR, 16], [DAY, 10], [2 * DAY, 10], [7 * DAY, 10], [14 * DAY, 10],
];

function timeTicks(axis: Axis, most: number): Tick[] {
  const span = axis.lastMs - axis.firstMs;
  const found: Tick[] = [];
  const put = (ms: number, label: string) => {
    if (ms >= axis.firstMs && ms <= axis.lastMs) found.push({ x: placeOfTime(axis, ms), label });
  };
  const step = STEPS.find(([length]) => span / length <= most);
  if (step) {
    for (let ms = Math.ceil(axis.firstMs / step[0]) * step[0]; ms <= axis.lastMs; ms += step[0]) {
      const text = new Date(ms).toISOString().slice(0, step[1]).replace("T", " ");
      put(ms, step[1] === 10 ? text : text.slice(11));
    }
    return found;
  }
  const months = [1, 2, 3, 6, 12, 24, 60, 120].find((length) => span / (length * 30.44 * DAY) <= most) ?? 240;
  const begin = new Date(axis.firstMs);
  for (let month = 0; ; month += months) {
    const year = begin.getUTCFullYear();
    const aligned = months >= 12 ? 0 : Math.floor(begin.getUTCMonth() / months) * months;
    const ms = Date.UTC(months >= 12 ? year - (year % (months / 12)) : year, aligned + month, 1);
    if (ms > axis.lastMs) return found;
    const text = new Date(ms).toISOString();
    put(ms, months >= 12 ? text.slice(0, 4) : text.slice(0, 7));
  }
}

function numberTicks(axis: Axis, most: number): Tick[] {
  const span = Number(axis.last - axis.first);
  if (span <= 0) return [{ x: axis.width, label: axis.last.toLocaleString("en-US") }];
  const rough = Math.max(1, span / most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = BigInt(Math.max(1, Math.round(([1, 2, 5, 10].find((n) => n * power >= rough) ?? 10) * power)));
  const found: Tick[] = [];
  for (let ts = ((axis.first + step - 1n) / step) * step; ts <= axis.last; ts += step) {
    found.push({ x: place(axis, ts), label: ts.toLocaleString("en-US") });
  }
  return found;
}

export function ticks(axis: Axis): Tick[] {
  const apart = axis.width < 500 ? 70 : 110;
  const most = Math.max(2, Math.floor((axis.width - axis.strip) / apart));
  return axis.scale === "time" ? timeTicks(axis, most) : numberTicks(axis, most);
}
