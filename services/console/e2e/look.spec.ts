import { answer, stream } from "./answers";
import { expect, looks, storysOrg, test } from "./stage";

// What is looked at stands in the address: it can be kept, and sent.

test("changes are filtered, by hand and by an address", async ({ page }) => {
  const org = await storysOrg(page);
  const found = page.getByRole("article");
  await page.goto(`${org}/changes?shelf=all`);
  await expect(found.filter({ hasText: "Group deleted" }).first()).toBeVisible();
  await page.getByRole("combobox", { name: "Type" }).click();
  await page.getByRole("option", { name: "Network zone" }).click();
  await expect(page.getByText("Nothing matches")).toBeVisible();
  expect(new URL(page.url()).searchParams.get("type")).toBe("network_zone");
  await page.goto(`${org}/changes?shelf=all&type=group&since=2026-01-01`);
  await expect(found.filter({ hasText: "Group deleted" }).first()).toBeVisible();
  await page.getByLabel("Until").fill("2026-01-02");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.getByRole("button", { name: "Show all" }).click();
  await expect(found.first()).toBeVisible();
  await page.getByLabel("By whom").fill("nobody@acme-robotics.example");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Nothing matches")).toBeVisible();
  await page.reload();
  await expect(page.getByLabel("By whom")).toHaveValue("nobody@acme-robotics.example");
  await expect(page.getByText("Nothing matches")).toBeVisible();
});

test("what is found while the changes are looked at comes by itself", async ({ page }) => {
  const org = await storysOrg(page);
  await page.clock.install();
  await answer(page, "DriftService/ListFindings", { findings: [] });
  await page.goto(`${org}/changes?shelf=all`);
  await expect(page.getByText("Nothing was found yet")).toBeVisible();
  await page.unroute("**/imago.v1.DriftService/ListFindings");
  await page.clock.fastForward(16_000);
  await expect(page.getByRole("article").first()).toBeVisible();
});

test("an org is browsed as it was at a moment", async ({ page }) => {
  const org = await storysOrg(page);
  const connectionId = org.split("/").pop();
  const list = async (points: boolean) => {
    const listed = await page.request.post("/imago.v1.SnapshotService/ListSnapshots", {
      data: { connectionId, points },
    });
    const all = (await listed.json()) as {
      snapshots: { id: string; started_at: string; ended_at?: string }[];
    };
    return all.snapshots
      .filter((s) => s.ended_at)
      .sort((a, b) => Date.parse(b.started_at) - Date.parse(a.started_at)); // one that waited began later
  };
  const snapshots = await list(false);
  const [newest, oldest] = [snapshots[0], snapshots.at(-1)];
  if (!newest || !oldest || newest === oldest) throw new Error("the story has too few snapshots");

  const at = new Date(Date.parse(oldest.started_at) + 1_000).toISOString();
  await page.goto(`${org}/browse?at=${at}`);
  await expect(page.getByText(/as the snapshot of/)).toBeVisible();
  expect(page.url()).toContain(`/snapshots/${oldest.id}/browse?at=`);
  await page.goto(`${org}/browse`);
  await expect(page.getByText(/^The org as it was on/)).toBeVisible();
  expect(page.url()).toContain(`/snapshots/${newest.id}/browse`);

  // A moment that no snapshot shows is told, and another one can be typed.
  await page.getByLabel("Or a moment").fill("2020-02-03T04:05:06");
  await page.getByRole("button", { name: "Go there" }).click();
  await expect(page.getByText(/no such snapshot/i)).toBeVisible();
  await expect(page.getByLabel("Or a moment")).toHaveValue("2020-02-03T04:05:06");
  const now = new Date(Math.floor(Date.now() / 1_000) * 1_000);
  const typed = await page.evaluate((at) => {
    return new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
  }, now.getTime());
  // Of a single change, maybe: a moment is shown as exactly as can be.
  const point = (await list(true)).find((s) => Date.parse(s.started_at) <= now.getTime());
  await page.getByLabel("Or a moment").fill(typed);
  await page.keyboard.press("Enter");
  await expect(page.getByText(/as the snapshot of/)).toBeVisible();
  expect(page.url()).toContain(`/snapshots/${point?.id}/browse?at=`);
});

test("a long plan is drawn in part, and its graph as a whole", async ({ page }) => {
  const id = "01a202ea-0000-7000-8000-000000000000";
  const member = (n: number) => ({
    n: n + 2,
    op: "create",
    key: `group_membership/00g1/00u${n}`,
    typeTitle: "Group membership",
    label: `Person ${n}`,
    parentLabel: "Everybody in Berlin",
    after: [1],
  });
  const group = { n: 1, op: "create", key: "group/00g1", typeTitle: "Group", label: "Everybody in Berlin" };
  const steps = [group, ...Array.from({ length: 5_000 }, (_, n) => member(n))];
  await stream(page, "RestoreService/WatchRestore", { restore: { id, state: "planned", plan: { steps } } });
  await page.goto(`/restores/${id}`);
  await expect(page.getByRole("heading", { name: "5,001 steps" })).toBeVisible();
  const list = page.getByRole("region", { name: "Steps" });
  await expect(list.getByText("Person 3 to Everybody in Berlin")).toBeVisible();
  expect(await list.getByRole("listitem").count()).toBeLessThan(60);
  await list.getByRole("button", { name: /Person 3 to/ }).click();
  await expect(list.getByText("After step 1.").filter({ visible: true })).toHaveCount(1);
  expect(await looks(page)).toEqual([]);
  await list.getByRole("checkbox", { name: /Person 1 to/ }).uncheck();
  await expect(page.getByRole("button", { name: "Plan again without 1" })).toBeVisible();
  await list.focus();
  await expect(async () => {
    await page.keyboard.press("End"); // lines are measured as they come by, so the end moves
    await expect(list.getByText("Person 4999 to Everybody in Berlin")).toBeVisible({ timeout: 3_000 });
  }).toPass({ timeout: 60_000 });

  await page.getByText("Graph", { exact: true }).click();
  const graph = page.getByRole("application");
  await expect(graph.getByText("Add 5000 users to Everybody in Berlin")).toBeInViewport({ ratio: 1 });
  await expect(graph.getByText("Create group Everybody in Berlin")).toBeInViewport({ ratio: 1 });
  expect(await looks(page)).toEqual([]);
  await graph.getByRole("checkbox", { name: /Create group/ }).focus();
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Plan again without 2" })).toBeVisible();
});
