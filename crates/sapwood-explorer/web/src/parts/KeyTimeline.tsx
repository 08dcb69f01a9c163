// The life of a key: its versions along the time axis, with gaps where it did not exist, and as a list.
import { Fragment } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { type Hex, type HistoryPage, type Ts, type Version, url } from "../api.ts";
import { type Axis, place, timeOf } from "../axis.ts";
import { line } from "../bytes.ts";
import { count, number, size, time } from "../format.ts";
import { usePages } from "../load.ts";
import { changed, lookAt, moment, other, visible } from "../state.ts";
import { useAxis } from "./TimePanel.tsx";
import { useWidth } from "./useWidth.ts";

const VERSIONS = 1000;
const HEIGHT = 30;

function isAt(version: Version, ts: Ts): boolean {
  return version.start <= ts && (version.end === null || version.end > ts);
}

function Spans({ axis, versions, cut }: { axis: Axis; versions: Version[]; cut: Ts | null }) {
  const now = moment.value;
  const x = place(axis, now);
  const second = other.value === null ? null : place(axis, other.value);
  return (
    <svg class="spans" width={axis.width} height={HEIGHT} role="img" aria-label={`${count(versions.length, "version")} along the time axis`}>
      <line class="absent" x1={axis.strip} x2={axis.width} y1={HEIGHT / 2} y2={HEIGHT / 2} />
      {cut !== null && <rect class="unknown" x="0" y="8" width={place(axis, cut)} height={HEIGHT - 16} />}
      {versions.map((version, index) => {
        const left = place(axis, version.start);
        const right = version.end === null ? axis.width : place(axis, version.end);
        return (
          <rect
            key={version.start.toString()}
            class={`span ${isAt(version, now) ? "now" : index % 2 === 0 ? "even" : "odd"}`}
            data-test="span"
            x={left}
            y="5"
            width={Math.max(1.5, right - left - 0.5)}
            height={HEIGHT - 10}
            rx="2"
            onClick={() => lookAt(version.start)}
          >
            <title>{`${number(version.start)} to ${version.end === null ? "now" : number(version.end)}: ${line(version.value.head)}`}</title>
          </rect>
        );
      })}
      {second !== null && <line class="second" x1={second} x2={second} y1="0" y2={HEIGHT} />}
      <line class="first" x1={x} x2={x} y1="0" y2={HEIGHT} />
    </svg>
  );
}

/** A row of the list: a version, or a gap behind one. */
function Rows({ versions, axis, whole }: { versions: Version[]; axis: Axis | null; whole: boolean }) {
  const now = moment.value;
  const list = useRef<HTMLOListElement>(null);
  const current = versions.findIndex((version) => isAt(version, now));
  // The version of the moment stays in sight, without moving anything but this list.
  useEffect(() => {
    const row = list.current?.querySelector<HTMLLIElement>("li.now");
    if (!list.current || !row) return;
    const { scrollTop, clientHeight } = list.current;
    const isSeen = row.offsetTop >= scrollTop && row.offsetTop + row.offsetHeight <= scrollTop + clientHeight;
    if (!isSeen) list.current.scrollTop = row.offsetTop - clientHeight / 3;
  }, [current, versions]);
  return (
    <ol class="versions" data-test="versions" ref={list}>
      {versions.map((version, index) => {
        const newer = versions[index - 1];
        const gap = version.end !== null && newer?.start !== version.end;
        const older = versions[index + 1];
        const created = (older && older.end !== version.start) || (!older && whole);
        return (
          <Fragment key={version.start.toString()}>
            {gap && (
              <li class="gap" data-test="gap">
                <button onClick={() => lookAt(version.end ?? 0n)}>
                  <b>{number(version.end ?? 0n)}</b>
                  <span>{axis ? time(timeOf(axis, version.end ?? 0n)) : ""}</span>
                  <em>deleted</em>
                </button>
              </li>
            )}
            <li class={isAt(version, now) ? "now" : ""} aria-current={isAt(version, now) ? "true" : undefined}>
              <button onClick={() => lookAt(version.start)}>
                <b>{number(version.start)}</b>
                <span>{axis ? time(timeOf(axis, version.start)) : ""}</span>
                <code>{line(version.value.head) || "(empty)"}</code>
                <i>{created ? "created" : ""}</i>
                <small>{size(version.value.size)}</small>
              </button>
            </li>
          </Fragment>
        );
      })}
    </ol>
  );
}

export function KeyTimeline({ hex }: { hex: Hex }) {
  const { element, width } = useWidth<HTMLDivElement>();
  const axis = useAxis(width);
  const pages = usePages<Version, Ts>(
    `${hex} ${visible.value} ${changed.value}`,
    (before) => url("history", { key: hex, before, limit: VERSIONS }),
    (answer: HistoryPage) => ({ items: answer.versions, next: answer.next }),
  );
  const versions = pages.items;
  const oldest = versions[versions.length - 1];
  return (
    <section class="keylife" aria-label="Versions of this key">
      <h3>
        Timeline <span data-test="version-count">{pages.loading && versions.length === 0 ? "" : `${count(versions.length, "version")}${pages.more ? " and more" : ""}`}</span>
      </h3>
      <div ref={element}>{axis && <Spans axis={axis} versions={versions} cut={pages.more ? (oldest?.start ?? null) : null} />}</div>
      {pages.error && <p class="nothing">{pages.error.message}</p>}
      <Rows versions={versions} axis={axis} whole={!pages.more} />
      {pages.more && <button onClick={pages.next}>Older versions</button>}
    </section>
  );
}
