// What a view reads itself: again when something has changed, with the last good answer kept while it is read.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { ApiError } from "../api/client";

export interface Reading<T> {
  value: T | null;
  trouble: string | null;
  code: string | null;
  again: () => void;
}

/** Read now and whenever one of `marks` changes; answers that come too late for their marks are dropped. */
export function useReading<T>(read: () => Promise<T>, marks: readonly unknown[]): Reading<T> {
  const value = useSignal<T | null>(null);
  const trouble = useSignal<ApiError | null>(null);
  const turn = useRef(0);
  const again = () => {
    const mine = (turn.current += 1);
    read().then(
      (found) => {
        if (mine !== turn.current) return;
        value.value = found;
        trouble.value = null;
      },
      (error: unknown) => {
        if (mine === turn.current) trouble.value = error instanceof ApiError ? error : new ApiError(0, "unknown", "This cannot be shown.");
      },
    );
  };
  useEffect(again, marks);
  return { value: value.value, trouble: trouble.value?.told ?? null, code: trouble.value?.code ?? null, again };
}
