import type { RepositoryCheck } from "../gen/imago/v1/connection_pb";
import type { Snapshot } from "../gen/imago/v1/snapshot_pb";

type Damage = { damaged: number; objects: Pick<RepositoryCheck["objects"][number], "object">[] };

// mayBeLost tells whether a snapshot may be one to give up, by what the last look at the org's
// backups found damaged. Where not all of that is listed, any may be.
export function mayBeLost(
  s: Pick<Snapshot, "location" | "pinnedAt" | "givenUpAt">,
  check: Damage | undefined,
): boolean {
  if (!check?.damaged || s.pinnedAt || s.givenUpAt) return false;
  return check.objects.length < check.damaged || check.objects.some((o) => o.object.startsWith(s.location));
}
