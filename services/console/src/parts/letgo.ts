import type { PreviewRetentionResponse } from "../gen/imago/v1/connection_pb";
import { bytes, counted } from "./format";

type Sum = Pick<PreviewRetentionResponse, "sweepCount" | "pointCount" | "storedBytes">;

// letGo says how much would be let go.
export function letGo(sum: Sum): string {
  const all = [
    sum.sweepCount > 0n && counted(sum.sweepCount, "snapshot"),
    sum.pointCount > 0n && counted(sum.pointCount, "point"),
  ].filter(Boolean);
  if (all.length === 0) return "As things are, nothing would be let go.";
  return `As things are, ${all.join(" and ")} would be let go, which frees ${bytes(sum.storedBytes)} at most.`;
}
