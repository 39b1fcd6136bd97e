import { timestampNow } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { mayBeLost } from "./lost";

const s = { location: "backups/1/" };
const check = (damaged: number, ...objects: string[]) => ({
  damaged,
  objects: objects.map((object) => ({ object })),
});

test.each([
  ["damage in it", s, check(2, "backups/0/seg-0", "backups/1/manifest"), true],
  ["more damage than is listed", s, check(2, "backups/0/manifest"), true],
  ["damage in others", s, check(2, "backups/0/manifest", "backups/10/manifest"), false],
  ["no damage", s, check(0), false],
  ["nobody looked yet", s, undefined, false],
  ["pinned", { ...s, pinnedAt: timestampNow() }, check(1, "backups/1/manifest"), false],
  ["given up already", { ...s, givenUpAt: timestampNow() }, check(1, "backups/1/manifest"), false],
])("may be lost: %s", (_, snapshot, found, want) => expect(mayBeLost(snapshot, found)).toBe(want));
