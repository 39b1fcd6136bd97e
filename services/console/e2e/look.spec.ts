import { expect, storysOrg, test } from "./stage";

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

test("an org is browsed as it was at a moment", async ({ page }) => {
  const org = await storysOrg(page);
  const connectionId = org.split("/").pop();
  const listed = await page.request.post("/imago.v1.SnapshotService/ListSnapshots", {
    data: { connectionId },
  });
  const { snapshots } = (await listed.json()) as { snapshots: { id: string; started_at: string }[] };
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
  const now = await page.evaluate(() =>
    new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 19),
  );
  await page.getByLabel("Or a moment").fill(now);
  await page.keyboard.press("Enter");
  await expect(page.getByText(/as the snapshot of/)).toBeVisible();
  expect(page.url()).toContain(`/snapshots/${newest.id}/browse?at=`);
});
