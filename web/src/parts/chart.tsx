// Lines over time, drawn by uPlot; the same numbers stand in a table for those who would rather read them.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { inUtc, moment, NONE } from "../words";
import { type Column, Table } from "./table";
import { theme } from "./theme";

const PARTS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" } as const;
const HOUR = new Intl.DateTimeFormat(undefined, PARTS);
const HOUR_UTC = new Intl.DateTimeFormat(undefined, { ...PARTS, timeZone: "UTC" });

function hour(seconds: number): string {
  return HOUR.format(new Date(seconds * 1000));
}

/** A moment in the reader's zone, and in UTC. */
function bothHours(seconds: number): string {
  return `${hour(seconds)} (${HOUR_UTC.format(new Date(seconds * 1000))} UTC)`;
}

export interface Series {
  name: string;
  /** Name of a custom property of the style sheet. */
  colour: string;
  values: (number | null)[];
  filled?: boolean;
}

interface Props {
  label: string;
  /** Seconds since 1970. */
  times: number[];
  series: readonly Series[];
  text: (value: number) => string;
  height?: number;
  /** Seconds up to the last point that are shown, whether there are points or not; what there is by default. */
  seconds?: number;
}

/** A chart under its name, or the same numbers as a table, newest first. */
export function ChartFigure(props: Props) {
  const [asTable, setAsTable] = useState(false);
  return (
    <figure>
      <figcaption>
        {props.label}
        <button type="button" class="quiet" aria-pressed={asTable} aria-label={`Show as table: ${props.label}`} onClick={() => setAsTable(!asTable)}>
          Show as table
        </button>
      </figcaption>
      {asTable ? <Numbers {...props} /> : <Chart {...props} />}
    </figure>
  );
}

const HALF_A_DAY = 43_200;

/** When it was: the time of day alone where the day goes without saying. */
function Moment({ seconds, whole }: { seconds: number; whole: boolean }) {
  const at = new Date(seconds * 1000).toISOString();
  return (
    <time dateTime={at} title={inUtc(at)}>
      {whole ? moment(at) : hour(seconds)}
    </time>
  );
}

function Numbers({ label, times, series, text, seconds }: Props) {
  const columns: Column<number>[] = [
    { name: "Time", cell: (index) => <Moment seconds={times[index] ?? 0} whole={(seconds ?? 0) > HALF_A_DAY} />, order: (index) => times[index] ?? 0 },
    ...series.map((item) => ({
      name: item.name,
      cell: (index: number) => shown(item.values[index], text),
      order: (index: number) => item.values[index] ?? -1,
      right: true,
    })),
  ];
  return <Table caption={label} rows={times.map((_, index) => index)} columns={columns} nameOf={(index) => String(times[index])} empty="No numbers." sorted={{ column: "Time", down: true }} tall />;
}

function shown(value: number | null | undefined, text: (value: number) => string): string {
  return value === null || value === undefined ? NONE : text(value);
}

export function Chart({ label, times, series, text, height = 180, seconds }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const names = series.map((item) => item.name).join();
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const line = colour("--line");
    const muted = colour("--muted");
    const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const plot = new uPlot(
      {
        width: element.clientWidth || 300,
        height,
        cursor: { y: false, points: { size: 6 } },
        legend: { live: true },
        scales: {
          x: { range: (_, low, high) => (seconds === undefined ? [low, high] : [Date.now() / 1000 - seconds, Date.now() / 1000]) },
          y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] },
        },
        axes: [{ ...axis, values: (_, values) => values.map((value) => hour(value)) }, { ...axis, size: 64, values: (_, values) => values.map((value) => text(value)) }],
        series: [
          { label: "at", value: (_: uPlot, value: number | null) => (value === null ? NONE : bothHours(value)) },
          ...series.map((item) => ({
            label: item.name,
            stroke: colour(item.colour),
            width: 1.75,
            fill: item.filled ? `${colour(item.colour)}26` : undefined,
            points: { show: false },
            value: (_: uPlot, value: number | null) => shown(value, text),
          })),
        ],
      },
      [times, ...series.map((item) => item.values)],
      element,
    );
    drawn.current = plot;
    const seen = new ResizeObserver(() => plot.setSize({ width: element.clientWidth || 300, height }));
    seen.observe(element);
    return () => {
      seen.disconnect();
      plot.destroy();
      drawn.current = null;
    };
  }, [names, theme.value, height, seconds]);
  useEffect(() => {
    drawn.current?.setData([times, ...series.map((item) => item.values)]);
  }, [times, series]);
  const last = series.map((item) => `${item.name} ${text(item.values.findLast((value) => value !== null) ?? 0)}`);
  return <div class="chart" ref={box} role="img" aria-label={`${label}; latest: ${last.join(", ")}`} />;
}

/** A line without axes beside a number. */
export function Spark({ values, colour }: { values: readonly (number | null)[]; colour: string }) {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return <svg class="spark" viewBox="0 0 100 24" aria-hidden="true" />;
  const high = Math.max(...known);
  const low = Math.min(...known, high === 0 ? 0 : high * 0.98);
  const points = values
    .map((value, index) => ({ value, x: (index / Math.max(1, values.length - 1)) * 100 }))
    .filter((point): point is { value: number; x: number } => point.value !== null)
    .map((point) => `${point.x.toFixed(1)},${(22 - ((point.value - low) / (high - low || 1)) * 20).toFixed(1)}`);
  return (
    <svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">
      <polyline points={points.join(" ")} class={colour} />
    </svg>
  );
}
