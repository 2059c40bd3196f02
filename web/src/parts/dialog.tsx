// Questions before something is done: what it is, what follows from it, and why.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError } from "../api/client";
import { tell } from "./toasts";

export interface Question {
  title: string;
  /** What follows, in a sentence; never left out for what destroys something. */
  consequence: string;
  action: string;
  dangerous?: boolean;
  /** Whether a reason is asked for; `needed` refuses an empty one. */
  reason?: "needed" | "welcome";
  /** A further confirmation to tick, such as that one stands in for a second person. */
  tick?: string;
  run: (reason: string, ticked: boolean) => Promise<unknown>;
  done?: string;
}

const asked = signal<Question | null>(null);

/** Ask before doing. */
export function confirm(question: Question): void {
  asked.value = question;
}

export function Dialogs() {
  return asked.value === null ? null : <Dialog key={asked.value.title} question={asked.value} />;
}

function Dialog({ question }: { question: Question }) {
  const box = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const [ticked, setTicked] = useState(false);
  const [runs, setRuns] = useState(false);
  const [trouble, setTrouble] = useState<string | null>(null);
  useEffect(() => {
    box.current?.showModal();
  }, []);
  const close = () => {
    asked.value = null;
  };
  const ready = (question.reason !== "needed" || reason.trim() !== "") && (question.tick === undefined || ticked);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (!ready || runs) return;
    setRuns(true);
    setTrouble(null);
    try {
      await question.run(reason.trim(), ticked);
      tell(question.done ?? "Done.");
      close();
    } catch (error) {
      setTrouble(error instanceof ApiError ? error.told : "This did not work.");
      setRuns(false);
    }
  };
  return (
    <dialog ref={box} class="dialog" aria-labelledby="dialog-title" aria-describedby="dialog-text" onClose={close}>
      <form onSubmit={submit}>
        <h2 id="dialog-title">{question.title}</h2>
        <p id="dialog-text">{question.consequence}</p>
        {question.reason && (
          <label class="field">
            <span>
              Reason {question.reason === "needed" ? "" : <em>(optional)</em>}
            </span>
            <textarea
              rows={2}
              maxLength={500}
              value={reason}
              required={question.reason === "needed"}
              onInput={(event) => setReason(event.currentTarget.value)}
            />
            <small>It is kept in the audit log.</small>
          </label>
        )}
        {question.tick !== undefined && (
          <label class="tick">
            <input type="checkbox" checked={ticked} onChange={(event) => setTicked(event.currentTarget.checked)} />
            <span>{question.tick}</span>
          </label>
        )}
        {trouble !== null && (
          <p class="trouble" role="alert">
            {trouble}
          </p>
        )}
        <div class="dialog-foot">
          <button type="button" class="quiet" onClick={() => box.current?.close()}>
            Leave it
          </button>
          <button type="submit" class={question.dangerous ? "danger" : "primary"} disabled={!ready || runs}>
            {runs ? "…" : question.action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
