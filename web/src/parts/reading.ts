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

/** Read now and whenever one of `marks` changes; an answer that an answer to a later question has overtaken is dropped. */
export function useReading<T>(read: () => Promise<T>, marks: readonly unknown[]): Reading<T> {
  const value = useSignal<T | null>(null);
  const trouble = useSignal<ApiError | null>(null);
  const turn = useRef(0);
  const latest = useRef(0);
  const again = () => {
    const mine = (turn.current += 1);
    read().then(
      (found) => {
        if (mine < latest.current) return;
        latest.current = mine;
        value.value = found;
        trouble.value = null;
      },
      (error: unknown) => {
        if (mine < latest.current) return;
        latest.current = mine;
        trouble.value = error instanceof ApiError ? error : new ApiError(0, "unknown", "This cannot be shown.");
      },
    );
  };
  useEffect(again, marks);
  return { value: value.value, trouble: trouble.value?.told ?? null, code: trouble.value?.code ?? null, again };
}
