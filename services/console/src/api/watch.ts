import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { useEffect, useState } from "react";
import { FactorService } from "../gen/imago/v1/factor_pb";
import { type Restore, RestoreService, type WatchRestoreResponse } from "../gen/imago/v1/restore_pb";
import { type Snapshot, SnapshotService } from "../gen/imago/v1/snapshot_pb";
import { transport } from "./transport";

const snapshots = createClient(SnapshotService, transport);
const restores = createClient(RestoreService, transport);

// factors is asked for what every signed-in person may read: who is not is asked to sign in.
const factors = createClient(FactorService, transport);

// Watched is what a stream has told so far.
export interface Watched<T> {
  data?: T;
  error?: unknown;
}

const outages = [Code.Unavailable, Code.DeadlineExceeded, Code.Unknown];

// follow reads a stream to its end, and anew when it breaks: a network that comes and goes
// does not end a watch, nor does a session that goes on under a new token. What the server
// refuses does.
async function follow(
  open: (signal: AbortSignal) => AsyncIterable<unknown>,
  take: (m: never) => void,
  signal: AbortSignal,
) {
  for (let renewals = 0; ; ) {
    try {
      for await (const m of open(signal)) {
        renewals = 0;
        take(m as never);
      }
      return;
    } catch (error) {
      const code = ConnectError.from(error).code;
      if (signal.aborted) throw error;
      if (outages.includes(code)) await pause(1_500, signal);
      else if (code === Code.Unauthenticated && renewals++ === 0) await factors.getFactors({}, { signal });
      else throw error;
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

// atOkta is where somebody does something in the org, which no call here tells of: a watch
// ends there.
const atOkta = ["waiting", "closing"];

// left waits until a restore is in another state. It asks for the list: to open the restore
// itself, with all that it shows of the directory, is written down each time.
async function left(r: Restore, signal: AbortSignal): Promise<void> {
  for (let state = r.state; state === r.state; ) {
    await pause(2_000, signal);
    try {
      const page = await restores.listRestores({ connectionId: r.connectionId, pageSize: 50 }, { signal });
      state = page.restores.find((l) => l.id === r.id)?.state ?? "";
    } catch (error) {
      if (signal.aborted || !outages.includes(ConnectError.from(error).code)) throw error;
    }
  }
}

// useRestore gives a restore as it goes. Its plan comes once; what of it changes comes as
// progress. round starts a watch anew, after somebody has set it going again.
export function useRestore(restoreId: string, round: number): Watched<Restore> {
  return useFollowed<Restore>(`${restoreId}/${round}`, async (set, signal) => {
    let last: Restore | undefined;
    const take = (m: WatchRestoreResponse) => {
      const told = m.restore;
      if (!told) return;
      last = told;
      set((before) => {
        const plan = told.plan ?? before?.plan;
        const at = new Map(m.progress.map((p) => [p.n, p]));
        const steps = plan?.steps.map((s) => ({ ...s, ...at.get(s.n), $typeName: s.$typeName }));
        return { ...told, plan: plan && { ...plan, steps: steps ?? [] } };
      });
    };
    do {
      if (last) await left(last, signal);
      await follow((s) => restores.watchRestore({ restoreId }, { signal: s }), take, signal);
    } while (last && atOkta.includes(last.state));
  });
}
