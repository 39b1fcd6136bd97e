import { useEffect, useId, useSyncExternalStore } from "react";

// The dialogs that are open; the topmost stands last.
let open: readonly string[] = [];
const listeners = new Set<() => void>();

function stack(next: readonly string[]) {
  open = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// useTopmost tells whether a dialog lies above all others that are open.
export function useTopmost(opened: boolean): boolean {
  const id = useId();
  useEffect(() => {
    if (!opened) return;
    stack([...open, id]);
    return () => stack(open.filter((other) => other !== id));
  }, [id, opened]);
  return useSyncExternalStore(subscribe, () => open.at(-1) === id);
}
