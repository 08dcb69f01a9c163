// What is looked at, as signals; the address bar holds it, so that a view can be linked to.
import { batch, computed, effect, signal } from "@preact/signals";
import { type ApiError, type Commit, type Hex, type Status, type Timeline, type Ts, ask, url } from "./api.ts";
import type { Scale } from "./axis.ts";
import type { Reading } from "./bytes.ts";

export type View = "state" | "changes" | "engine";
export type Theme = "light" | "dark" | "auto";

/** The moment looked at; null is the newest, whatever comes. */
export const at = signal<Ts | null>(null);
/** A second moment to compare with. */
export const other = signal<Ts | null>(null);
export const view = signal<View>("state");
export const prefix = signal("");
export const key = signal<Hex | null>(null);
export const reading = signal<Reading | "auto">("auto");
export const scale = signal<Scale>("time");
export const bars = signal<"commits" | "changes">("commits");
export const theme = signal<Theme>("auto");
export const help = signal(false);
/** Raised by each change made from here, so that what is shown is asked for again. */
export const changed = signal(0);
/** What went wrong lately and belongs to no view. */
export const trouble = signal<string | null>(null);

export const status = signal<Status | null>(null);
export const byTimestamp = signal<Timeline | null>(null);
export const byTime = signal<Timeline | null>(null);

export const visible = computed(() => status.value?.visible ?? 0n);
export const floor = computed(() => status.value?.floor ?? 0n);
/** The timestamp looked at. */
export const moment = computed(() => at.value ?? visible.value);
/** The two moments that are compared, the older first. */
export const compared = computed<[Ts, Ts] | null>(() => {
  const second = other.value;
  if (second === null) return null;
  return second < moment.value ? [second, moment.value] : [moment.value, second];
});

function readTs(text: string | null): Ts | null {
  return text !== null && /^\d{1,20}$/.test(text) ? BigInt(text) : null;
}

function readHash() {
  const params = new URLSearchParams(location.hash.slice(1));
  const one = <T extends string>(name: string, all: readonly T[], usual: T): T => {
    const value = params.get(name) as T | null;
    return value !== null && all.includes(value) ? value : usual;
  };
  const hex = params.get("key");
  batch(() => {
    at.value = readTs(params.get("at"));
    other.value = readTs(params.get("with"));
    view.value = one("view", ["state", "changes", "engine"], "state");
    prefix.value = params.get("prefix") ?? "";
    key.value = hex !== null && /^([0-9a-f]{2})*$/.test(hex) ? hex : null;
    reading.value = one("as", ["auto", "text", "json", "integer", "hex"], "auto");
    scale.value = one("scale", ["time", "number"], "time");
    bars.value = one("bars", ["commits", "changes"], "commits");
  });
}

function hash(): string {
  const params = new URLSearchParams();
  if (view.value !== "state") params.set("view", view.value);
  if (at.value !== null) params.set("at", at.value.toString());
  if (other.value !== null) params.set("with", other.value.toString());
  if (prefix.value !== "") params.set("prefix", prefix.value);
  if (key.value !== null) params.set("key", key.value);
  if (reading.value !== "auto") params.set("as", reading.value);
  if (scale.value !== "time") params.set("scale", scale.value);
  if (bars.value !== "commits") params.set("bars", bars.value);
  return `#${params.toString()}`;
}

/** Looks at a moment; the newest is followed. */
export function lookAt(ts: Ts | null) {
  at.value = ts === null || ts === visible.value ? null : ts < 0n ? 0n : ts;
}

export function open(chosen: Hex | null) {
  if (chosen === key.value) return;
  // One step of the browser's history for each key: the effect below puts the new address into it.
  history.pushState(null, "", location.href);
  key.value = chosen;
}

/** The commit after a moment, or the one before; null where there is none. */
async function neighbour(from: Ts, forward: boolean): Promise<Ts | null> {
  const question = forward ? { after: from, limit: 1 } : { before: from, limit: 1 };
  const page = await ask<{ commits: Commit[] }>(url("commits", question));
  return page.commits[0]?.timestamp ?? null;
}

/** Moves a moment by one commit. */
export async function step(forward: boolean, second: boolean) {
  const from = second ? (other.value ?? moment.value) : moment.value;
  const next = await neighbour(from, forward);
  // Before the first commit lies the state at the floor.
  const to = next ?? (forward ? visible.value : floor.value);
  if (second) other.value = to;
  else lookAt(to);
}

/** Begins to compare with a moment a tenth of the way back, or ends it. */
export function toggleCompare() {
  if (other.value !== null) {
    other.value = null;
    if (view.value === "changes") view.value = "state";
    return;
  }
  const timeline = byTimestamp.value;
  const commits = timeline?.buckets ?? [];
  const before = commits.filter((bucket) => bucket.last < moment.value);
  const back = before[Math.max(0, before.length - Math.max(1, Math.round(commits.length / 10)))];
  other.value = back?.last ?? floor.value;
  view.value = "changes";
}

export function setTheme(next: Theme) {
  theme.value = next;
  localStorage.setItem("theme", next);
}

/** Dark or light, as it is now. */
export function isDark(): boolean {
  return theme.value === "dark" || (theme.value === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

const BUCKETS = 2048;
/** An answer that has not come by then is asked for again: one that is lost must not end the following. */
const PATIENCE_MS = 10000;

function follower<T>(address: string): Promise<T> {
  return ask<T>(address, AbortSignal.timeout(PATIENCE_MS));
}

async function loadTimelines() {
  for (const [by, into] of [
    ["timestamp", byTimestamp],
    ["time", byTime],
  ] as const) {
    for (;;) {
      const timeline = await follower<Timeline>(url("timeline", { by, buckets: BUCKETS }));
      into.value = timeline;
      if (timeline.complete) break;
    }
  }
}

let followed = "";

async function follow() {
  try {
    const next = await follower<Status>(url("status"));
    status.value = next;
    trouble.value = null;
    const mark = `${next.visible} ${next.floor} ${next.epoch}`;
    if (mark !== followed) {
      await loadTimelines();
      followed = mark;
    }
  } catch (error) {
    trouble.value = `The explorer does not answer: ${(error as ApiError).message}`;
  }
}

/** Asks again at once, after a change. */
export async function refresh() {
  await follow();
  changed.value += 1;
}

const PERIOD_MS = 2000;

/** Begins: reads the address, follows the engine, keeps the address as things are. */
export function begin() {
  const kept = localStorage.getItem("theme");
  theme.value = kept === "light" || kept === "dark" ? kept : "auto";
  readHash();
  addEventListener("hashchange", readHash);
  addEventListener("popstate", readHash);
  effect(() => {
    const next = hash();
    if (location.hash !== next && (location.hash || next !== "#")) history.replaceState(null, "", next);
  });
  effect(() => {
    if (theme.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
  });
  effect(() => {
    document.title = `${status.value?.name ?? "Sapwood"} \u2013 explorer`;
  });
  // A page that nobody sees asks for nothing, and catches up when it is seen again.
  let timer = 0;
  const loop = async () => {
    clearTimeout(timer);
    if (!document.hidden) await follow();
    clearTimeout(timer);
    timer = setTimeout(loop, PERIOD_MS);
  };
  addEventListener("visibilitychange", () => void loop());
  void loop();
}
