// The head of the page: what it is, the views, and what holds for all of it.
import { help, isDark, setTheme, status, trouble, view, type View } from "../state.ts";

const VIEWS: [View, string][] = [
  ["state", "State"],
  ["changes", "Changes"],
  ["engine", "Engine"],
];

export function TopBar() {
  const now = status.value;
  return (
    <header class="top">
      <div class="brand">
        <img src="./icon.svg" alt="" width="22" height="22" />
        <strong>Sapwood</strong>
        <span class="name" title="the database">{now?.name ?? ""}</span>
      </div>
      <nav class="tabs" role="tablist" aria-label="Views">
        {VIEWS.map(([name, label]) => (
          <button
            key={name}
            role="tab"
            id={`tab-${name}`}
            aria-selected={view.value === name}
            aria-controls="view"
            onClick={() => (view.value = name)}
          >
            {label}
          </button>
        ))}
      </nav>
      <div class="tools">
        {now && (
          <span class={now.allow_writes ? "badge writes" : "badge"} data-test="mode">
            {now.allow_writes ? "writes allowed" : "read-only"}
          </span>
        )}
        <button
          class="icon"
          data-test="theme"
          title="Light or dark (t)"
          aria-label="Light or dark"
          onClick={() => setTheme(isDark() ? "light" : "dark")}
        >
          <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
            <circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="1.5" />
            <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
          </svg>
        </button>
        <button class="icon" title="Keys (?)" aria-label="Help" data-test="help" onClick={() => (help.value = true)}>
          ?
        </button>
      </div>
      {trouble.value && (
        <p class="trouble" role="alert">
          {trouble.value}
        </p>
      )}
    </header>
  );
}
