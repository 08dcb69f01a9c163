// Numbers, sizes and times for people.

export function number(value: number | bigint): string {
  return value.toLocaleString("en-US");
}

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function count(value: number | bigint, one: string, many = `${one}s`): string {
  return `${number(value)} ${value === 1 || value === 1n ? one : many}`;
}

/** A moment of the day, in UTC. */
export function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

export function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** A span of time, roughly. */
export function span(ms: number): string {
  const units: [number, string][] = [
    [365.25 * 86400e3, "year"],
    [30.44 * 86400e3, "month"],
    [86400e3, "day"],
    [3600e3, "hour"],
    [60e3, "minute"],
    [1e3, "second"],
  ];
  for (const [length, name] of units) {
    if (ms >= length * 1.5 || (name === "second" && ms >= length)) return count(Math.round(ms / length), name);
  }
  return `${Math.round(ms)} ms`;
}
