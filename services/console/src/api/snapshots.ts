import { useQuery } from "@connectrpc/connect-query";
import { useMemo } from "react";
import { type Snapshot, SnapshotService } from "../gen/imago/v1/snapshot_pb";

// useSnapshotTypes gives the titles of a snapshot's types.
export function useSnapshotTypes(snapshotId: string): ReadonlyMap<string, string> {
  const s = useQuery(SnapshotService.method.getSnapshot, { snapshotId });
  const types = s.data?.snapshot?.types;
  return useMemo(() => new Map(types?.map((t) => [t.type, t.title])), [types]);
}

// ended tells whether there is something to open.
export function ended(s: Snapshot): boolean {
  return s.state === "complete" || s.state === "partial";
}
