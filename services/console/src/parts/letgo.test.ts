import { expect, test } from "vitest";
import { letGo } from "./letgo";

test.each([
  [0n, 0n, 0n, "As things are, nothing would be let go."],
  [1n, 0n, 900n, "As things are, 1 snapshot would be let go, which frees 900 B at most."],
  [0n, 2n, 0n, "As things are, 2 points would be let go, which frees 0 B at most."],
  [
    1200n,
    1n,
    3_000_000n,
    "As things are, 1,200 snapshots and 1 point would be let go, which frees 3 MB at most.",
  ],
])("%s snapshots and %s points", (sweepCount, pointCount, storedBytes, want) =>
  expect(letGo({ sweepCount, pointCount, storedBytes })).toBe(want));
