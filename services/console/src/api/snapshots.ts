import { useQuery } from "@connectrpc/connect-query";
import { useMemo } from "react";
import { SnapshotService } from "../gen/imago/v1/snapshot_pb";

// useSnapshotTypes gives the titles of a snapshot's types.
export function useSnapshotTypes(snapshotId: string): ReadonlyMap<string, string> {
  const s = useQuery(SnapshotService.method.getSnapshot, { snapshotId });
  const types = s.data?.snapshot?.types;
  return useMemo(() => new Map(types?.map((t) => [t.type, t.title])), [types]);
}
