// Where the page is: a path behind `#`, so that every view has an address and the server knows one page only.

import { computed, signal } from "@preact/signals";

function read(): string {
  return location.hash.replace(/^#/, "") || "/";
}

const place = signal(read());
addEventListener("hashchange", () => {
  place.value = read();
});

export const path = computed(() => (place.value.split("?")[0] ?? "/").split("/").filter(Boolean).map(decoded));
export const query = computed(() => new URLSearchParams(place.value.split("?")[1] ?? ""));

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Return the address of a view. */
export function to(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Keep a word of the query in the address, without a step in the history. */
export function keep(name: string, value: string): void {
  const words = new URLSearchParams(query.peek());
  if (value) words.set(name, value);
  else words.delete(name);
  const text = words.toString();
  history.replaceState(null, "", `#/${path.peek().map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`);
  place.value = read();
}

/** Go to a view. */
export function go(address: string): void {
  location.hash = address.replace(/^#/, "");
}
