// States as shape, word and colour; times and ages.

import type { ComponentChildren } from "preact";

import { now } from "../store";
import { inUtc, type Look, lookOf, moment, NONE, span, type Tone } from "../words";

const SHAPES: Record<Look["shape"], ComponentChildren> = {
  disc: <circle cx="8" cy="8" r="5.5" fill="currentColor" />,
  ring: <circle cx="8" cy="8" r="4.75" fill="none" stroke="currentColor" stroke-width="1.8" />,
  half: (
    <g>
      <circle cx="8" cy="8" r="4.75" fill="none" stroke="currentColor" stroke-width="1.8" />
      <path d="M8 3.2a4.8 4.8 0 0 1 0 9.6z" fill="currentColor" />
    </g>
  ),
  cross: <path d="M4 4l8 8M12 4l-8 8" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" />,
  square: <rect x="3" y="3" width="10" height="10" rx="1.5" fill="currentColor" />,
  triangle: <path d="M8 2.2 14.2 13H1.8z" fill="currentColor" stroke="currentColor" stroke-linejoin="round" />,
  tick: <path d="M3 8.6l3.4 3.4L13 4.6" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" />,
  clock: (
    <g fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round">
      <circle cx="8" cy="8" r="5.6" />
      <path d="M8 4.8V8l2.2 1.6" />
    </g>
  ),
  dash: <path d="M3 8h10" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" />,
  target: (
    <g>
      <circle cx="8" cy="8" r="5" fill="none" stroke="currentColor" stroke-width="1.8" />
      <circle cx="8" cy="8" r="1.9" fill="currentColor" />
    </g>
  ),
  turn: (
    <path
      d="M13 8a5 5 0 1 1-1.5-3.6M13 2.6v2.6h-2.6"
      fill="none"
      stroke="currentColor"
      stroke-width="1.9"
      stroke-linecap="round"
      stroke-linejoin="round"
    />
  ),
};

export function Shape({ shape, tone, size = 16 }: { shape: Look["shape"]; tone: Tone; size?: number }) {
  return (
    <svg class={`shape tone-${tone}`} viewBox="0 0 16 16" width={size} height={size} aria-hidden="true">
      {SHAPES[shape]}
    </svg>
  );
}

export function State({ state, look = lookOf(state) }: { state: string; look?: Look }) {
  return (
    <span class={`state tone-${look.tone}`} data-state={state}>
      <Shape shape={look.shape} tone={look.tone} size={14} />
      {look.word}
    </span>
  );
}

export function Severity({ level }: { level: number }) {
  const tone: Tone = level === 1 ? "bad" : level === 2 ? "warn" : "idle";
  return (
    <span class={`severity tone-${tone}`} title="severity, 1 (worst) to 4">
      SEV {level}
    </span>
  );
}

/** A moment in the reader's zone; UTC on hover. */
export function At({ at }: { at: string | null | undefined }) {
  if (!at) return <span>{NONE}</span>;
  return (
    <time dateTime={at} title={inUtc(at)}>
      {moment(at)}
    </time>
  );
}

/** How long ago, counting on; the moment in UTC on hover. */
export function Ago({ at }: { at: string | null | undefined }) {
  if (!at) return <span>{NONE}</span>;
  const seconds = Math.max(0, Math.floor((now.value - Date.parse(at)) / 1000));
  return (
    <time dateTime={at} title={inUtc(at)}>
      {seconds < 1 ? "just now" : `${span(seconds)} ago`}
    </time>
  );
}

/** Seconds until the next probe, counting down from what was reported. */
export function Countdown({ seconds, since }: { seconds: number | null; since: number }) {
  if (seconds === null) return <span>{NONE}</span>;
  const left = Math.max(0, seconds - (now.value - since) / 1000);
  return <span class="countdown">{left < 0.5 ? "now" : `in ${Math.ceil(left)} s`}</span>;
}
