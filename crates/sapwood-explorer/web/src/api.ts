// The explorer's API: its answers as types, and how they are asked for.

/** A timestamp: too large for a number. */
export type Ts = bigint;
/** Bytes as hexadecimal digits. */
export type Hex = string;

export interface Preview {
  size: number;
  head: Hex;
}

export interface Pin {
  name: string;
  timestamp: Ts;
  expires_ms: number | null;
  created_ms: number | null;
}

export interface Stats {
  commits: number;
  groups: number;
  synced_groups: number;
  conflicts: number;
  too_old: number;
  open_transactions: number;
  open_snapshots: number;
  oldest_snapshot: Ts | null;
  oldest_snapshot_ms: number | null;
  feeds: number;
  oldest_feed: Ts | null;
  conflict_keys: number;
  conflict_bytes: number;
  recent_versions: number;
  recent_bytes: number;
  retention_debt_bytes: number;
}

export interface Status {
  name: string;
  allow_writes: boolean;
  visible: Ts;
  floor: Ts;
  epoch: number;
  now_ms: number;
  pins: Pin[];
  feeds: { name: string; timestamp: Ts; is_let_go: boolean }[];
  stats: Stats;
}

export interface Bucket {
  start: Ts;
  commits: number;
  sets: number;
  deletes: number;
  first: Ts;
  last: Ts;
  first_ms: number;
  last_ms: number;
}

export interface Timeline {
  by: "timestamp" | "time";
  width: Ts;
  floor: Ts;
  visible: Ts;
  counted: Ts;
  complete: boolean;
  commits: number;
  buckets: Bucket[];
}

export interface Commit {
  timestamp: Ts;
  time_ms: number;
  sets: number;
  deletes: number;
}

export interface KeysPage {
  at: Ts;
  rows: { key: Hex; value: Preview }[];
  next: Hex | null;
}

export interface ValueAnswer {
  key: Hex;
  at: Ts;
  version: { start: Ts; end: Ts | null; size: number; offset: number; bytes: Hex } | null;
}

export interface Version {
  start: Ts;
  end: Ts | null;
  value: Preview;
}

export interface HistoryPage {
  versions: Version[];
  next: Ts | null;
}

export interface Change {
  key: Hex;
  old: Preview | null;
  new: Preview | null;
}

export interface DiffPage {
  changes: Change[];
  next: Hex | null;
}

export interface Storage {
  keyspaces: {
    keyspace: string;
    size_bytes: number;
    levels: { level: number; files: number; size_bytes: number }[];
  }[];
}

/** What the API says is wrong. */
export class ApiError extends Error {
  constructor(
    readonly kind: string,
    message: string,
    readonly floor: Ts | null,
  ) {
    super(message);
  }
}

// Fields that hold timestamps, which are strings of digits in JSON.
const TIMESTAMPS = new Set([
  "timestamp", "visible", "floor", "counted", "start", "end", "at", "first", "last", "width",
  "oldest_snapshot", "oldest_feed",
]);

function revive(name: string, value: unknown): unknown {
  if (typeof value === "string" && TIMESTAMPS.has(name)) return BigInt(value);
  return value;
}

async function answer<T>(response: Response, page = false): Promise<T> {
  // `next` is a timestamp in the pages of a history, a key elsewhere.
  const body = JSON.parse(await response.text(), (name, value) =>
    page && name === "next" && typeof value === "string" ? BigInt(value) : revive(name, value),
  );
  if (response.ok) return body as T;
  const error = body?.error ?? {};
  throw new ApiError(error.kind ?? "io", error.message ?? response.statusText, error.floor ?? null);
}

type Params = Record<string, string | number | bigint | null | undefined>;

/** The address of a question; parameters without a value are left out. */
export function url(route: string, params: Params = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined) search.set(name, String(value));
  }
  const query = search.toString();
  return `/api/${route}${query ? `?${query}` : ""}`;
}

/** Asks. */
export async function ask<T>(address: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(address, { signal: signal ?? null });
  return answer<T>(response, address.startsWith("/api/history"));
}

/** Writes, where that is allowed. */
export async function write<T>(route: string, body: object): Promise<T> {
  const response = await fetch(`/api/${route}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-sapwood": "1" },
    body: JSON.stringify(body, (_, value) => (typeof value === "bigint" ? value.toString() : value)),
  });
  return answer<T>(response);
}
