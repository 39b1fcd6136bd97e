import { expect, test } from "vitest";
import { ago, bytes, counted, span } from "./format";

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1 kB"],
  [1_234_567, "1.23 MB"],
  [999_600, "1 MB"],
  [5_000_000_000_000_000n, "5000 TB"],
])("bytes(%s) is %s", (n, want) => expect(bytes(n)).toBe(want));

test.each([
  [1, "1 object"],
  [2n, "2 objects"],
  [12_345, "12,345 objects"],
])("counted(%s) is %s", (n, want) => expect(counted(n, "object")).toBe(want));

test.each([
  [0, "0 s"],
  [59_400, "59 s"],
  [60_000, "1 min"],
  [125_000, "2 min 5 s"],
  [3_600_000, "1 h"],
  [5_400_000, "1 h 30 min"],
])("span(%s) is %s", (n, want) => expect(span(n)).toBe(want));

test.each([
  ["2026-05-01T12:00:30Z", "just now"],
  ["2026-05-01T11:57:00Z", "4 minutes ago"],
  ["2026-04-30T12:00:00Z", "yesterday"],
  ["2026-05-01T14:30:00Z", "in 2 hours"],
])("%s is %s", (then, want) => expect(ago(new Date(then), new Date("2026-05-01T12:01:00Z"))).toBe(want));
