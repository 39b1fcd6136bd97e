import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { StepSchema } from "../gen/imago/v1/restore_pb";
import { bundles, told } from "./step";

const step = (op: string, key: string, typeTitle: string, label: string, parentLabel = "", n = 1) =>
  create(StepSchema, { n, op, key, typeTitle, label, parentLabel });

test.each([
  [step("create", "group/g", "Group", "Finance"), "Create group Finance"],
  [step("create", "group_membership/g/u", "Group membership", "Eve", "Finance"), "Add Eve to Finance"],
  [step("delete", "group_membership/g/u", "Group membership", "Eve", "Finance"), "Remove Eve from Finance"],
  [step("create", "app_user/a/u", "App user assignment", "Eve", "Payroll"), "Assign Payroll to Eve"],
  [step("update", "app_user/a/u", "App user assignment", "Eve", "Payroll"), "Change what Eve has in Payroll"],
  [step("create", "user_role/u/r", "User admin role", "Super admin", "Eve"), "Grant Super admin to Eve"],
  [
    step("update", "x_rule/p/r", "Password policy rule", "All", "Staff"),
    "Change password policy rule All of Staff",
  ],
])("a step is told as %#", (s, want) => expect(told(s)).toBe(want));

test("many ties to one thing are drawn as one", () => {
  const members = (group: string, n: number, from: number) =>
    Array.from({ length: n }, (_, i) =>
      step("create", `group_membership/${group}/u${i}`, "Group membership", `User ${i}`, group, from + i),
    );
  const all = bundles([
    step("create", "group/g", "Group", "g"),
    ...members("g", 9, 2),
    ...members("h", 2, 20),
  ]);
  expect(all.map((b) => b.label)).toEqual([
    "Create group g",
    "Add 9 users to g",
    "Add User 0 to h",
    "Add User 1 to h",
  ]);
  expect(all[1]?.steps).toHaveLength(9);
});
