import { expect, test } from "vitest";
import { left, share } from "./eta";

const cases: [string, Parameters<typeof share>[0], number][] = [
  ["by what it took before", { calls: 50, before: 200, done: 30, types: 31 }, 0.25],
  ["by types where nobody knows", { calls: 50, before: 0, done: 10, types: 40 }, 0.25],
  ["an org that has grown is not done early", { calls: 500, before: 200, done: 1, types: 31 }, 0.99],
  ["nothing is known", { calls: 0, before: 0, done: 0, types: 0 }, 0],
];

test.each(cases)("share: %s", (_, pace, want) => {
  expect(share(pace)).toBeCloseTo(want);
});

test("left goes on at the pace so far, and does not guess", () => {
  const pace = { calls: 50, before: 200, done: 0, types: 31 };
  expect(left(pace, 10_000)).toBe(30_000);
  expect(left(pace, 1_000)).toBeUndefined();
  expect(left({ ...pace, calls: 1 }, 10_000)).toBeUndefined();
});
