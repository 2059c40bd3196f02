// Short notes of what has been done; read out by screen readers, gone after a while.

import { signal } from "@preact/signals";

interface Note {
  key: number;
  text: string;
}

const SHOWN = 5000;
const notes = signal<readonly Note[]>([]);
let next = 0;

export function tell(text: string): void {
  const note = { key: (next += 1), text };
  notes.value = [...notes.value, note].slice(-3);
  setTimeout(() => {
    notes.value = notes.value.filter((item) => item !== note);
  }, SHOWN);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {notes.value.map((note) => (
        <div key={note.key} class="toast">
          {note.text}
        </div>
      ))}
    </div>
  );
}
