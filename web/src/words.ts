// Numbers, times and states in words.

const WHOLE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const ONE = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const ZONE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

export const NONE = "–";

export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  if (Math.abs(value) >= 1_000_000) return `${ONE.format(value / 1_000_000)} M`;
  if (Math.abs(value) >= 10_000) return `${ONE.format(value / 1000)} k`;
  return WHOLE.format(value);
}

export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  return value >= 100 ? count(value) : ONE.format(value);
}

export function share(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  const percent = value * 100;
  // 99.996 must not be shown as 100: whoever reads it would think that nothing has failed.
  const shown = percent > 99 && percent < 100 ? Math.floor(percent * 100) / 100 : Math.round(percent * 10) / 10;
  return `${shown.toLocaleString(undefined, { maximumFractionDigits: 2 })} %`;
}

/** Return seconds in the unit that fits, such as `3.2 ms` or `4 min`. */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds === 0) return "0 s";
  if (seconds < 0.001) return `${WHOLE.format(seconds * 1e6)} µs`;
  if (seconds < 0.01) return `${ONE.format(seconds * 1000)} ms`;
  if (seconds < 1) return `${WHOLE.format(seconds * 1000)} ms`;
  if (seconds < 10) return `${ONE.format(seconds)} s`;
  if (seconds < 120) return `${WHOLE.format(seconds)} s`;
  if (seconds < 7200) return `${WHOLE.format(seconds / 60)} min`;
  if (seconds < 172_800) return `${WHOLE.format(seconds / 3600)} h`;
  return `${WHOLE.format(seconds / 86_400)} d`;
}

export function moment(text: string): string {
  return ZONE.format(new Date(text));
}

export function clock(text: string): string {
  return CLOCK.format(new Date(text));
}

/** A moment in the reader's zone, and in UTC. */
export function inBoth(text: string): string {
  return `${moment(text)} (${inUtc(text)})`;
}

export function inUtc(text: string): string {
  return `${new Date(text).toISOString().replace("T", " ").replace(/\.\d+Z$/, "")} UTC`;
}

export type Tone = "good" | "warn" | "bad" | "busy" | "held" | "idle";

/** How a state looks: a tone, a shape, a word. Never the tone alone. */
export interface Look {
  tone: Tone;
  shape: "disc" | "half" | "cross" | "square" | "ring" | "turn" | "target" | "dash" | "triangle" | "tick" | "clock";
  word: string;
}

const LOOKS: Record<string, Look> = {
  closed: { tone: "good", shape: "disc", word: "closed" },
  half_open: { tone: "warn", shape: "half", word: "half-open" },
  open: { tone: "bad", shape: "cross", word: "open" },
  isolated: { tone: "held", shape: "square", word: "isolated" },
  disabled: { tone: "idle", shape: "dash", word: "disabled" },
  metrics_only: { tone: "idle", shape: "ring", word: "metrics only" },
  healthy: { tone: "good", shape: "disc", word: "healthy" },
  degraded: { tone: "warn", shape: "half", word: "degraded" },
  unhealthy: { tone: "bad", shape: "cross", word: "unhealthy" },
  unknown: { tone: "idle", shape: "ring", word: "unknown" },
  suspect: { tone: "warn", shape: "half", word: "suspect" },
  failed: { tone: "bad", shape: "cross", word: "failed" },
  recovering: { tone: "busy", shape: "turn", word: "recovering" },
  validating: { tone: "busy", shape: "target", word: "validating" },
  quarantined: { tone: "held", shape: "square", word: "quarantined" },
  waiting: { tone: "warn", shape: "triangle", word: "waiting for a person" },
  held: { tone: "held", shape: "square", word: "held" },
  watched: { tone: "busy", shape: "target", word: "watched" },
  escalated: { tone: "bad", shape: "triangle", word: "escalated" },
  resolved: { tone: "good", shape: "disc", word: "resolved" },
  cancelled: { tone: "idle", shape: "dash", word: "cancelled" },
  recovered: { tone: "good", shape: "disc", word: "recovered" },
  not_needed: { tone: "idle", shape: "dash", word: "not needed" },
  refused: { tone: "held", shape: "square", word: "refused" },
  running: { tone: "busy", shape: "turn", word: "running" },
  pending: { tone: "idle", shape: "ring", word: "pending" },
  finished: { tone: "good", shape: "disc", word: "finished" },
  interrupted: { tone: "bad", shape: "triangle", word: "interrupted" },
  none: { tone: "good", shape: "disc", word: "full service" },
  minimal: { tone: "warn", shape: "half", word: "minimal" },
  moderate: { tone: "warn", shape: "half", word: "moderate" },
  severe: { tone: "bad", shape: "triangle", word: "severe" },
  critical: { tone: "bad", shape: "cross", word: "critical" },
  firing: { tone: "bad", shape: "triangle", word: "firing" },
  silenced: { tone: "idle", shape: "dash", word: "silenced" },
  valid: { tone: "good", shape: "disc", word: "valid" },
  expired: { tone: "idle", shape: "dash", word: "expired" },
  revoked: { tone: "held", shape: "square", word: "revoked" },
  serving: { tone: "good", shape: "disc", word: "serving" },
};

const CALLS: Record<string, Look> = {
  success: { tone: "good", shape: "tick", word: "succeeded" },
  failure: { tone: "bad", shape: "cross", word: "failed" },
  slow: { tone: "warn", shape: "clock", word: "slow" },
};

/** A single call that was weighed. */
export function lookOfCall(outcome: string): Look {
  return CALLS[outcome] ?? { tone: "idle", shape: "ring", word: words(outcome) };
}

export function lookOf(state: string): Look {
  return LOOKS[state] ?? { tone: "idle", shape: "ring", word: state.replaceAll("_", " ") };
}

/** An incident's `open` is no circuit's. */
export function lookOfIncident(state: string): Look {
  return state === "open" ? { tone: "bad", shape: "cross", word: "open" } : lookOf(state);
}

/** The reason for a circuit's state without the seconds to its next probe, which are shown counting down. */
export function reasonOf(why: string): string {
  return why.replace(/; the next probe comes in [^;.]*\.?$/, ".");
}

export function words(text: string): string {
  return text.replaceAll("_", " ");
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}
