import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { useEffect, useState } from "react";
import { type Restore, RestoreService } from "../gen/imago/v1/restore_pb";
import { type Snapshot, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { transport } from "./transport";

const snapshots = createClient(SnapshotService, transport);
const restores = createClient(RestoreService, transport);

// Watched is what a stream has told so far.
export interface Watched<T> {
  data?: T;
  error?: unknown;
}

// follow reads a stream to its end, and anew when it breaks: a network that comes and goes
// does not end a watch, and what the server refuses does.
async function follow(
  open: (signal: AbortSignal) => AsyncIterable<unknown>,
  take: (m: never) => void,
  signal: AbortSignal,
) {
  for (;;) {
    try {
      for await (const m of open(signal)) take(m as never);
      return;
    } catch (error) {
      const code = ConnectError.from(error).code;
      if (signal.aborted || ![Code.Unavailable, Code.DeadlineExceeded, Code.Unknown].includes(code))
        throw error;
      await pause(1_500, signal);
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function useFollowed<T>(
  key: string,
  run: (set: (fn: (before?: T) => T) => void, signal: AbortSignal) => Promise<void>,
): Watched<T> {
  const [watched, setWatched] = useState<Watched<T>>({});
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key names what is watched
  useEffect(() => {
    const end = new AbortController();
    run((fn) => setWatched((w) => ({ data: fn(w.data) })), end.signal).catch((error: unknown) => {
      if (!end.signal.aborted) setWatched((w) => ({ ...w, error }));
    });
    return () => end.abort();
  }, [key]);
  return watched;
}

// useSnapshot gives a snapshot as it goes, until it has ended.
export function useSnapshot(snapshotId: string): Watched<Snapshot> {
  return useFollowed<Snapshot>(snapshotId, (set, signal) =>
    follow(
      (s) => snapshots.watchSnapshot({ snapshotId }, { signal: s }),
      (m: { snapshot?: Snapshot }) => m.snapshot && set(() => m.snapshot as Snapshot),
      signal,
    ),
  );
}

// useRestore gives a restore as it goes. Its plan comes once; what of it changes comes as
// progress. round starts a watch anew, after somebody has set it going again.
export function useRestore(restoreId: string, round: number): Watched<Restore> {
  return useFollowed<Restore>(`${restoreId}/${round}`, (set, signal) =>
    follow(
      (s) => restores.watchRestore({ restoreId }, { signal: s }),
      (m: {
        restore?: Restore;
        progress: { n: number; state: string; problem: string; newId: string }[];
      }) => {
        const told = m.restore;
        if (!told) return;
        set((before) => {
          const plan = told.plan ?? before?.plan;
          const at = new Map(m.progress.map((p) => [p.n, p]));
          const steps = plan?.steps.map((s) => ({ ...s, ...at.get(s.n), $typeName: s.$typeName }));
          return { ...told, plan: plan && { ...plan, steps: steps ?? [] } };
        });
      },
      signal,
    ),
  );
}
