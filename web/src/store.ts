// What the page knows, as signals: filled by the stream, read by the views.

import { batch, computed, signal } from "@preact/signals";

import { ApiError, ask, keepForgeryToken } from "./api/client";
import { type Batch, follow, type LiveFact } from "./api/live";
import type { CircuitSummary, SummaryView, TargetViewModel } from "./api/types";

export interface Session {
  signed_in: boolean;
  access: "enforced" | "off";
  ways: string[];
  identity: { id: string; kind: string; name: string | null } | null;
  permissions: Record<string, string[]>;
  csrf: string | null;
  idle_expires_at: string | null;
  expires_at: string | null;
  version: string;
}

const FACTS_KEPT = 300;
const POINTS_KEPT = 300;

export interface Point {
  at: number;
  calls: number;
  success: number | null;
  p99: number | null;
}

export const session = signal<Session | null>(null);
export const summary = signal<SummaryView | null>(null);
/** A circuit with when its row came, milliseconds since 1970: what counts down in it counts from there. */
export type LiveCircuit = CircuitSummary & { received: number };

export const circuits = signal<ReadonlyMap<string, LiveCircuit>>(new Map());
export const targets = signal<ReadonlyMap<string, TargetViewModel>>(new Map());
export const facts = signal<readonly LiveFact[]>([]);
export const course = signal<readonly Point[]>([]);
export const connected = signal(false);
/** When the last message came, milliseconds since 1970; when the connection is lost, what is shown is of then. */
export const heardAt = signal(0);
/** Counts up with every fact about incidents, approvals and recoveries, for views that read them. */
export const storyVersion = signal(0);
/** Counts up when everything has to be read anew. */
export const resetVersion = signal(0);
export const unreachable = signal<string | null>(null);
/** The present moment, once a second, for ages and countdowns. */
export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 1000);

export const isStale = computed(() => heardAt.value > 0 && !connected.value);

let stop: (() => void) | null = null;

/** Ask who is signed in, and follow what happens when somebody is. */
export async function begin(): Promise<void> {
  try {
    const found = await ask<Session>("/session");
    keepForgeryToken(found.csrf);
    session.value = found;
    unreachable.value = null;
    if (may("events.read")) listen();
  } catch (error) {
    unreachable.value = error instanceof ApiError ? error.message : "The page cannot be loaded.";
    setTimeout(() => void begin(), 2000);
  }
}

/** Forget everything and ask who is signed in. */
export function ended(): void {
  stop?.();
  stop = null;
  batch(() => {
    session.value = null;
    summary.value = null;
    circuits.value = new Map();
    targets.value = new Map();
    facts.value = [];
    course.value = [];
    connected.value = false;
    heardAt.value = 0;
  });
  void begin();
}

/** Tell whether a permission is held for a service, or for any when none is named. */
export function may(permission: string, service?: string | null): boolean {
  const services = session.value?.permissions[permission];
  if (services === undefined || services.length === 0) return false;
  if (services.includes("*")) return true;
  return service === undefined ? true : service !== null && services.includes(service);
}

/** Tell whether a permission is held for everything. */
export function mayEverywhere(permission: string): boolean {
  return session.value?.permissions[permission]?.includes("*") ?? false;
}

function listen(): void {
  stop?.();
  stop = follow({
    batch: take,
    reset: () => {
      resetVersion.value += 1;
      storyVersion.value += 1;
    },
    connected: (is) => {
      // What a view could not read while nobody answered is read now.
      if (is && !connected.value) storyVersion.value += 1;
      connected.value = is;
      if (is) heardAt.value = Date.now();
    },
    refused: ended,
  });
}

const STORY = /^(incident|recovery|approval|automation|alert|silence)\./;

function take(news: Batch): void {
  batch(() => {
    heardAt.value = Date.now();
    if (news.whole) {
      circuits.value = new Map();
      targets.value = new Map();
    }
    if (news.circuits || news.gone) {
      const received = Date.now();
      const rows = (news.circuits ?? []).map((row) => ({ ...row, received }));
      circuits.value = merged(circuits.value, rows, (row) => row.name, news.gone);
    }
    if (news.targets || news.gone_targets) targets.value = merged(targets.value, news.targets ?? [], (row) => row.target, news.gone_targets);
    if (news.summary) {
      summary.value = news.summary;
      note(news.summary);
    }
    if (news.facts?.length) {
      facts.value = [...news.facts.toReversed(), ...facts.value].slice(0, FACTS_KEPT);
      if (news.facts.some((fact) => STORY.test(fact.event))) tellStory();
    }
  });
}

const STORY_PAUSE = 500;
let storyWaits = false;
let storyPending = false;

/** Have views read their stories again: at once, and no more often than twice a second however many facts come. */
function tellStory(): void {
  if (storyWaits) {
    storyPending = true;
    return;
  }
  storyVersion.value += 1;
  storyWaits = true;
  setTimeout(() => {
    storyWaits = false;
    if (storyPending) {
      storyPending = false;
      tellStory();
    }
  }, STORY_PAUSE);
}

function merged<T>(
  known: ReadonlyMap<string, T>,
  rows: readonly T[],
  nameOf: (row: T) => string,
  gone: readonly string[] = [],
): ReadonlyMap<string, T> {
  const next = new Map(known);
  for (const row of rows) next.set(nameOf(row), row);
  for (const name of gone) next.delete(name);
  return next;
}

function note(shown: SummaryView): void {
  const point = {
    at: Date.now(),
    calls: shown.calls_per_second,
    success: shown.success_rate,
    p99: shown.response_times?.p99 ?? null,
  };
  course.value = [...course.value, point].slice(-POINTS_KEPT);
}
