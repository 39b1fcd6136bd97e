import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Browser, test as base, expect, type Page } from "@playwright/test";
import { answer } from "./answers";
import { admin, group, members, org, serviceApp } from "./okta";
import { ada, address, dir, letterTo, looks, mailedCode, signIn } from "./stage";

// The journeys that people come for, each from its beginning to its end, on the real stack.

const robin = () => admin("robin.vale@acme-robotics.example", "198.51.100.77");
const head = () => admin(ada, "203.0.113.10");
const h1 = (page: Page, name: string | RegExp) => page.getByRole("heading", { level: 1, name });

// proven gives the proof that is asked for, where it is asked for.
async function proven(page: Page): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Is it you?" });
  await mailedCode(page, ada, () => dialog.getByRole("button", { name: /Mail a code to/ }).click());
}

// restored goes from a choice to the receipt: plan, approval, the window in Okta, the end.
async function restored(page: Page): Promise<void> {
  const okta = await head();
  await page.getByRole("button", { name: "Make a plan" }).click();
  await page.getByRole("button", { name: "Approve this plan" }).click({ timeout: 60_000 });
  await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
  await page.addLocatorHandler(page.getByRole("dialog", { name: "Is it you?" }), () => proven(page));
  await page.getByRole("button", { name: "Start", exact: true }).click();
  const on = page.getByRole("alert").filter({ hasText: "Activate the write app in Okta now" });
  const app = (await on.getByRole("code").or(on.locator("code")).first().textContent()) ?? "";
  await okta.call("POST", `/api/v1/apps/${app}/lifecycle/activate`);
  await expect(page.getByText("Deactivate the write app in Okta now")).toBeVisible({ timeout: 90_000 });
  await okta.call("POST", `/api/v1/apps/${app}/lifecycle/deactivate`);
  await expect(page.getByRole("region", { name: "Receipt" })).toBeVisible({ timeout: 90_000 });
  await expect(page.getByText("closed", { exact: true })).toBeVisible({ timeout: 60_000 });
}

// taken takes a snapshot and waits until it has ended.
async function taken(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Take a snapshot now" }).first().click();
  await expect(h1(page, /Snapshot/)).toBeVisible();
  await expect(page.getByRole("main").getByRole("link", { name: "Browse" })).toBeVisible({
    timeout: 120_000,
  });
}

const nav = (page: Page, name: string) =>
  page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }).click();

base("a first connection, and the snapshot that comes by itself", async ({ page }) => {
  base.setTimeout(400_000);
  await signIn(page, "kim.novak@acme-robotics.example");
  await page.getByRole("link", { name: "Connect an org" }).first().click();
  await page.getByLabel("Org URL").fill("not an address");
  await page.getByRole("button", { name: "Make the keys" }).click();
  await expect(page.getByLabel("Org URL")).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Org URL")).toHaveValue("not an address");
  await page.getByLabel("Org URL").fill(org());
  await page.getByLabel("Name").fill("First");
  await page.getByRole("button", { name: "Make the keys" }).click();
  await expect(h1(page, "First")).toBeVisible();

  const okta = await head();
  for (const [title, label] of [
    ["The app that reads", "Imago reads (Kim's)"],
    ["The app that restores", "Imago restores (Kim's)"],
  ] as const) {
    const region = page.getByRole("region", { name: title });
    const how = region.getByRole("button", { name: /Set it up in Okta|How it is set up/ });
    if ((await how.getAttribute("aria-expanded")) === "false") await how.click();
    const [jwk, scopes] = await region.locator("pre").allTextContents();
    const role =
      (await region
        .getByRole("listitem")
        .filter({ hasText: "Admin roles" })
        .locator("b")
        .last()
        .textContent()) ?? "";
    const id = await serviceApp(okta, label, {
      jwk: JSON.parse(jwk ?? ""),
      scopes: (scopes ?? "").trim().split(/\s+/),
      role: role.replaceAll(" ", "_"),
    });
    if (title === "The app that restores") await okta.call("POST", `/api/v1/apps/${id}/lifecycle/deactivate`);
    await region.getByLabel("Client ID").fill(id);
    await region.getByRole("button", { name: /^Save/ }).click();
    await expect(region.getByText(`Client ID ${id}`)).toBeVisible();
  }
  await expect(page.getByText(/types can be read/)).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText("ready", { exact: true })).toBeVisible();
  expect(await looks(page)).toEqual([]);

  // What is read by night is read every minute here: a test does not wait for the night.
  const schedule = page.getByRole("region", { name: "Schedule" });
  await schedule.getByLabel("When").fill("every night");
  await schedule.getByRole("button", { name: "Save" }).click();
  await expect(schedule.getByLabel("When")).toHaveAttribute("aria-invalid", "true");
  await schedule.getByLabel("When").fill("* * * * *");
  await schedule.getByLabel("Take snapshots by itself").check();
  await schedule.getByRole("button", { name: "Save" }).click();
  await expect(schedule.getByText(/^Saved/)).toBeVisible();
  await nav(page, "Snapshots");
  await expect
    .poll(
      async () => {
        await page.reload();
        await expect(h1(page, "Snapshots")).toBeVisible();
        await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
        return page
          .getByRole("row", { name: /schedule/i })
          .filter({ hasText: /complete|partial/ })
          .count();
      },
      { timeout: 240_000, intervals: [3_000] },
    )
    .toBeGreaterThan(0);
  await nav(page, "Overview");
  await expect(page.getByRole("main").getByText("First")).toBeVisible();
});

base("a demo org, from the button to the restored group and its end", async ({ page }) => {
  base.setTimeout(600_000);
  await signIn(page, "mia.lindt@acme-robotics.example");
  await expect(page.getByRole("button", { name: "Explore a demo org" })).toBeVisible();
  expect(await looks(page)).toEqual([]);
  await page.getByRole("button", { name: "Explore a demo org" }).click();
  await expect(h1(page, "Acme Robotics (demo)")).toBeVisible();
  expect(await looks(page)).toEqual([]);
  await expect(page.getByText("This is a demo org")).toBeVisible({ timeout: 300_000 });
  expect(await looks(page)).toEqual([]);

  // The monitor has found by itself what happened, and who did it.
  await nav(page, "Changes");
  const found = page.getByRole("article").filter({ hasText: "“Finance” was deleted" });
  await expect(found).toBeVisible({ timeout: 180_000 });
  for (const severity of ["critical", "high", "medium"])
    await expect(page.getByText(severity, { exact: true }).first()).toBeVisible();
  await expect(found).toContainText("Robin Vale");
  await expect(found).toContainText("203.0.113.77");
  await found.getByRole("link").first().click();
  await page.getByRole("link", { name: "Revert this change" }).click();

  await page.getByRole("button", { name: "Make a plan" }).click();
  await page.getByRole("button", { name: "Approve this plan" }).click({ timeout: 60_000 });
  await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByRole("button", { name: "Activate it, as the org's admin" }).click({ timeout: 60_000 });
  await page.getByRole("button", { name: "Deactivate it, as the org's admin" }).click({ timeout: 90_000 });
  await expect(page.getByRole("region", { name: "Receipt" })).toBeVisible({ timeout: 90_000 });
  await expect(page.getByText("closed", { exact: true })).toBeVisible({ timeout: 60_000 });

  await nav(page, "Overview");
  await page.getByRole("main").getByRole("link", { name: "Acme Robotics (demo)" }).click();
  await page.getByRole("button", { name: "Remove the demo" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove it" }).click();
  await expect(page.getByRole("button", { name: "Explore a demo org" })).toBeVisible({ timeout: 30_000 });
});

base.describe("with the story's org", () => {
  base.describe.configure({ mode: "serial" });

  let page: Page;
  base.beforeAll(async ({ browser }: { browser: Browser }) => {
    page = await (await browser.newContext()).newPage();
    await signIn(page, ada);
  });
  base.afterAll(() => page.context().close());

  base("from the alert to the restored group", async () => {
    base.setTimeout(300_000);
    const okta = await robin();
    const lost = (await group(okta, "Release Captains")) ?? "";
    const had = await members(okta, lost);
    expect(had).toBeGreaterThan(0);
    await okta.call("DELETE", `/api/v1/groups/${lost}`);

    const mail = await letterTo(ada, /Release Captains/);
    expect(mail).toContain("robin.vale@acme-robotics.example");
    const link = new RegExp(`${address()}(/(?:changes|orgs)/\\S+)`).exec(mail)?.[1];
    await page.goto(address() + (link ?? "/no-link-in-the-mail"));
    const found = page
      .getByRole("main")
      .getByText(/Release Captains/)
      .first();
    await expect(found).toBeVisible();
    if (!(await page.getByRole("link", { name: "Revert this change" }).isVisible())) {
      await page
        .getByRole("article")
        .filter({ hasText: "“Release Captains” was deleted" })
        .getByRole("link")
        .first()
        .click();
    }
    await page.getByRole("link", { name: "Revert this change" }).click();
    await restored(page);

    const back = await group(okta, "Release Captains");
    expect(back).toBeTruthy();
    expect(back).not.toBe(lost);
    expect(await members(okta, back ?? "")).toBe(had);
  });

  base("compare, and revert a weakened policy", async () => {
    base.setTimeout(300_000);
    const okta = await robin();
    const found = (await okta.call("GET", "/api/v1/policies?type=PASSWORD")) as {
      id: string;
      name: string;
      settings: { password: { complexity: { minLength: number } } };
    }[];
    const policy = found.find((p) => p.name === "Operators' passwords");
    if (!policy) throw new Error("the org has no such policy");
    const before = policy.settings.password.complexity.minLength;
    await page.goto(address());
    await nav(page, "Snapshots");
    await taken(page);

    policy.settings.password.complexity.minLength = 8;
    await okta.call("PUT", `/api/v1/policies/${policy.id}`, policy);
    await nav(page, "Snapshots");
    await taken(page);

    await page.getByRole("link", { name: "Compare" }).last().click();
    const change = page.getByRole("button", { name: /changed Operators' passwords/i });
    await change.click();
    await expect(page.getByText(/complexity\.minLength/)).toBeVisible();
    expect(await looks(page)).toEqual([]);
    await page.getByRole("checkbox", { name: "Revert Operators' passwords" }).check();
    await page.getByRole("link", { name: "Revert 1 change" }).click();
    await restored(page);

    const after = (await okta.call("GET", `/api/v1/policies/${policy.id}`)) as typeof policy;
    expect(after.settings.password.complexity.minLength).toBe(before);
  });

  base("a snapshot that is lost from the bucket is given up, and no other", async () => {
    base.setTimeout(300_000);
    await page.goto(address());
    await nav(page, "Snapshots");
    await taken(page);
    const lost = page.url();
    await nav(page, "Snapshots");
    await taken(page); // the newest one is not given up

    const got = await page.request.post(`${address()}/imago.v1.SnapshotService/GetSnapshot`, {
      data: { snapshotId: lost.split("/").pop() },
    });
    const { snapshot }: { snapshot: { location: string } } = await got.json();
    const manifest = `${snapshot.location}manifest`;
    // The backups are looked at once a day: what the next look finds is played.
    const check = { damaged: 1, objects: [{ object: manifest }] };
    await answer(page, "ConnectionService/GetRepositoryCheck", { check });
    await page.goto(lost);
    const button = page.getByRole("button", { name: "Give up as lost…" });
    await button.click();
    const dialog = page.getByRole("dialog", { name: "Give up this snapshot as lost?" });
    const yes = dialog.getByRole("button", { name: "Give up as lost" });
    await yes.click();
    await expect(dialog.getByRole("alert")).toContainText("The snapshot is there, and opens");
    expect(await looks(page)).toEqual([]);

    rmSync(join(dir(), "imago", "objects", "buckets", "imago", manifest));
    await yes.press("Enter");
    await expect(page.getByText("It is let go within a day")).toBeFocused();
    await expect(button).toHaveCount(0);
    await page.reload();
    await expect(page.getByRole("heading", { name: "Given up as lost" })).toBeVisible();
    expect(await looks(page)).toEqual([]);
  });
});
