// The stream of what happens. Read by hand rather than by EventSource, because only so a silent connection is noticed.

import { ROOT } from "./client";
import type { CircuitSummary, SummaryView, TargetViewModel } from "./types";

export interface LiveFact {
  id: string;
  event: string;
  service: string | null;
  [key: string]: unknown;
}

export interface Batch {
  at?: string;
  /** Circuits and targets are all there are. */
  whole?: boolean;
  facts?: LiveFact[];
  circuits?: CircuitSummary[];
  gone?: string[];
  gone_targets?: string[];
  targets?: TargetViewModel[];
  summary?: SummaryView;
}

export interface Listener {
  batch(batch: Batch): void;
  /** Something was missed: everything is read anew. */
  reset(): void;
  /** Whether messages arrive. */
  connected(is: boolean): void;
  /** The session has ended. */
  refused(): void;
}

const SILENCE = 10_000;
const AGAIN = [250, 500, 1000, 2000, 4000];

/** Follow the stream until the returned function is called. */
export function follow(listener: Listener): () => void {
  const over = new AbortController();
  void run(listener, over.signal);
  return () => over.abort();
}

async function run(listener: Listener, over: AbortSignal): Promise<void> {
  let last: string | null = null;
  let failures = 0;
  while (!over.aborted) {
    try {
      for await (const message of messages(last, over)) {
        if (message === "open" || message === "beat") {
          listener.connected(true);
          continue;
        }
        if (message.event === "stream.reset") listener.reset();
        else if (message.event === "batch") listener.batch(JSON.parse(message.data) as Batch);
        // Only what has been taken is not asked for again, and only a server that tells something is well.
        last = message.id ?? last;
        failures = 0;
      }
    } catch (error) {
      if (error instanceof Refused) {
        listener.refused();
        return;
      }
    }
    if (over.aborted) return;
    listener.connected(false);
    const pause = AGAIN[Math.min(failures, AGAIN.length - 1)] ?? 4000;
    failures += 1;
    await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
  }
}

class Refused extends Error {}

interface Message {
  id: string | null;
  event: string;
  data: string;
}

async function* messages(last: string | null, over: AbortSignal): AsyncGenerator<Message | "open" | "beat"> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE);
  };
  try {
    const answer = await fetch(`${ROOT}/live`, {
      headers: { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) },
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.any([over, silence.signal]),
    });
    if (answer.status === 401 || answer.status === 403) throw new Refused();
    if (!answer.ok || answer.body === null) return;
    yield "open";
    const decoder = new TextDecoder();
    const reader = answer.body.getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) yield parsed(block) ?? "beat";
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function parsed(block: string): Message | null {
  const found: Message = { id: null, event: "", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 1) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const field = line.slice(0, colon);
    if (field === "id") found.id = value;
    else if (field === "event") found.event = value;
    else if (field === "data") found.data += value;
  }
  return found.event ? found : null;
}
