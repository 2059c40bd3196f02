// Lines over time, drawn by uPlot; the same numbers stand in a table for those who cannot see them.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { theme } from "./theme";

const HOUR = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

function hour(seconds: number): string {
  return HOUR.format(new Date(seconds * 1000));
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
          { label: "at", value: (_: uPlot, value: number | null) => (value === null ? "–" : hour(value)) },
          ...series.map((item) => ({
            label: item.name,
            stroke: colour(item.colour),
            width: 1.75,
            fill: item.filled ? `${colour(item.colour)}26` : undefined,
            points: { show: false },
            value: (_: uPlot, value: number | null) => (value === null ? "–" : text(value)),
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
