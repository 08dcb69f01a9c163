// The keyboard: the same moves as with the pointer.
import { type Axis, place, timestampAt } from "./axis.ts";
import { axis as makeAxis } from "./axis.ts";
import { shown } from "./parts/KeyList.tsx";
import {
  byTimestamp, floor, help, isDark, key, lookAt, moment, open, scale, setTheme, step, toggleCompare, view,
} from "./state.ts";

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));
}

function nextKey(by: number) {
  const { keys } = shown;
  if (keys.length === 0) return;
  const here = key.value === null ? -1 : keys.indexOf(key.value);
  const to = here < 0 ? (by > 0 ? 0 : keys.length - 1) : Math.min(keys.length - 1, Math.max(0, here + by));
  open(keys[to] ?? null);
}

/** A twentieth of the axis. */
function jump(direction: number) {
  const timeline = byTimestamp.value;
  if (!timeline) return;
  const axis: Axis = makeAxis(timeline, scale.value, 1000, false);
  const to = timestampAt(axis, place(axis, moment.value) + direction * 50, []);
  lookAt(to);
}

function search() {
  const focus = () => document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
  // At once where it can be: what is typed next belongs there.
  if (view.value !== "engine") return focus();
  view.value = "state";
  requestAnimationFrame(focus);
}

const MOVES: Record<string, () => void> = {
  PageUp: () => jump(-1),
  PageDown: () => jump(1),
  Home: () => lookAt(floor.value),
  End: () => lookAt(null),
  j: () => nextKey(1),
  k: () => nextKey(-1),
  "/": search,
  c: toggleCompare,
  t: () => setTheme(isDark() ? "light" : "dark"),
  "?": () => (help.value = !help.value),
  "1": () => (view.value = "state"),
  "2": () => (view.value = "changes"),
  "3": () => (view.value = "engine"),
};

function onKey(event: KeyboardEvent) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target } = event;
  if (isTyping(target)) {
    if (event.key === "Escape") (target as HTMLElement).blur();
    return;
  }
  if (help.value && event.key !== "?") return;
  // A focused thumb is moved by itself.
  const isSecond = target instanceof HTMLElement && target.dataset.test === "second";
  let move: (() => void) | undefined;
  if (event.key === "ArrowLeft") move = () => void step(false, event.shiftKey || isSecond);
  else if (event.key === "ArrowRight") move = () => void step(true, event.shiftKey || isSecond);
  else if (event.key === "ArrowDown" && target instanceof Element && target.closest("[role=listbox]")) move = () => nextKey(1);
  else if (event.key === "ArrowUp" && target instanceof Element && target.closest("[role=listbox]")) move = () => nextKey(-1);
  else move = MOVES[event.key];
  if (!move) return;
  event.preventDefault();
  move();
}

export function listen() {
  addEventListener("keydown", onKey);
}
