import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { keepPreviousData } from "@tanstack/react-query";
import { ActivityService } from "../gen/imago/v1/activity_pb";
import { DriftService } from "../gen/imago/v1/drift_pb";
import { RestoreService } from "../gen/imago/v1/restore_pb";
import { SnapshotService } from "../gen/imago/v1/snapshot_pb";

const pageSize = 50;
const next = {
  pageParamKey: "pageToken" as const,
  getNextPageParam: (last: { nextPageToken: string }) => last.nextPageToken || undefined,
};

// The account's long lists, page by page.

export function useSnapshots(connectionId: string, points = false) {
  return useInfiniteQuery(
    SnapshotService.method.listSnapshots,
    { connectionId, points, pageSize, pageToken: "" },
    { ...next, placeholderData: keepPreviousData },
  );
}

// Wanted is which findings are asked for; what is empty asks for nothing.
export interface Wanted {
  states: string[];
  severities: string[];
  types: string[];
  actor: string;
  since?: Timestamp;
  until?: Timestamp;
}

export function useFindings(connectionId: string, of: Wanted) {
  return useInfiniteQuery(
    DriftService.method.listFindings,
    { connectionId, ...of, pageSize, pageToken: "" },
    { ...next, placeholderData: keepPreviousData, refetchInterval: 15_000 },
  );
}

// useSearchHits looks through all types of a snapshot.
export function useSearchHits(snapshotId: string, of: { search: string; fields: boolean }) {
  return useInfiniteQuery(
    SnapshotService.method.searchSnapshot,
    { snapshotId, ...of, pageSize, pageToken: "" },
    next,
  );
}

export function useRestores(connectionId: string) {
  return useInfiniteQuery(
    RestoreService.method.listRestores,
    { connectionId, pageSize, pageToken: "" },
    next,
  );
}

export function useActivity() {
  return useInfiniteQuery(ActivityService.method.listActivity, { pageSize, pageToken: "" }, next);
}

export function useResources(snapshotId: string, of: { type: string; parent: string; search: string }) {
  return useInfiniteQuery(
    SnapshotService.method.listResources,
    { snapshotId, ...of, pageSize: 200, pageToken: "" },
    { ...next, pageParamKey: "pageToken" },
  );
}
