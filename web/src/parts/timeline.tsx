// A circuit's states over time as a band, with the same in words for those who cannot see it.

import type { Change } from "../api/types";
import { now } from "../store";
import { clock, inUtc, lookOf, span } from "../words";

interface Part {
  state: string;
  from: number;
  to: number;
  reason: string;
}

/** Return the stretches between `since` and now; before the first change its old state held. */
export function stretches(changes: readonly Change[], present: string, since: number, until: number): Part[] {
  const sorted = [...changes].sort((one, two) => Date.parse(one.at) - Date.parse(two.at));
  const parts: Part[] = [];
  let state = sorted[0]?.old ?? present;
  let from = since;
  let reason = "";
  for (const change of sorted) {
    const moment = Date.parse(change.at);
    if (moment > since) parts.push({ state, from, to: Math.min(moment, until), reason });
    from = Math.max(since, moment);
    state = change.new;
    reason = change.reason;
  }
  parts.push({ state, from, to: until, reason });
  return parts.filter((part) => part.to > part.from);
}

export function StateBand({ changes, present, seconds }: { changes: readonly Change[]; present: string; seconds: number }) {
  const until = now.value;
  const since = until - seconds * 1000;
  const parts = stretches(changes, present, since, until);
  return (
    <div class="band-box">
      <div class="band" role="img" aria-label={`States in the last ${span(seconds)}: ${parts.map((part) => lookOf(part.state).word).join(", then ")}`}>
        {parts.map((part) => (
          <span
            key={part.from}
            class={`tone-${lookOf(part.state).tone}`}
            style={{ flexGrow: part.to - part.from }}
            title={`${lookOf(part.state).word} from ${clock(new Date(part.from).toISOString())} for ${span((part.to - part.from) / 1000)}${part.reason ? `: ${part.reason}` : ""}`}
          >
            <i>{lookOf(part.state).word}</i>
          </span>
        ))}
      </div>
      <div class="band-foot">
        <span title={inUtc(new Date(since).toISOString())}>{span(seconds)} ago</span>
        <span>now</span>
      </div>
    </div>
  );
}
