import { answer, refuse } from "./answers";
import { expect, looks, storysOrg, test } from "./stage";

// Every page where there is nothing, where somebody may not look, and where the server does
// not answer: it says so, says the way out, and is as readable as any.

const pages: [name: string, at: (org: string) => string, rpc: string, empty: RegExp | undefined][] = [
  ["org", (o) => o, "ConnectionService/GetConnection", undefined],
  ["snapshots", (o) => `${o}/snapshots`, "SnapshotService/ListSnapshots", /No snapshot yet/],
  ["compare", (o) => `${o}/compare`, "SnapshotService/ListSnapshots", /nothing to compare/],
  ["changes", (o) => `${o}/changes`, "DriftService/ListFindings", /Nothing/],
  ["restores", (o) => `${o}/restores`, "RestoreService/ListRestores", /Nothing was restored/],
  ["activity", () => "/activity", "ActivityService/ListActivity", /Nothing has happened/],
  ["team", () => "/team", "TeamService/ListMembers", undefined],
  ["accounts", () => "/accounts", "TeamService/ListAccounts", undefined],
  ["settings", () => "/settings", "FactorService/GetFactors", undefined],
  ["tokens", () => "/settings/tokens", "TokenService/ListTokens", /No token yet/],
  ["billing", () => "/billing", "BillingService/GetBilling", undefined],
];

for (const [name, at, rpc, empty] of pages) {
  test(`${name}: nothing, not allowed, no answer`, async ({ page }) => {
    const path = at(await storysOrg(page));
    if (empty) {
      await answer(page, rpc, {});
      await page.goto(path);
      await expect(page.getByText(empty).first()).toBeVisible();
      expect.soft(await looks(page), "nothing").toEqual([]);
      await page.unrouteAll();
    }
    await refuse(page, rpc, {
      kind: "denied",
      what: "the role viewer does not allow this",
      hint: "ask an owner",
    });
    await page.goto(path);
    await expect(page.getByText("This is not open to you").first()).toBeVisible();
    await expect(page.getByText(/Ask an owner/).first()).toBeVisible();
    expect.soft(await looks(page), "not allowed").toEqual([]);
    await page.unrouteAll();

    await refuse(page, rpc, { kind: "unavailable", what: "the store does not answer" });
    await page.goto(path);
    await expect(page.getByText(/store does not answer/i).first()).toBeVisible();
    await page.unrouteAll();
    await page.getByRole("button", { name: "Try again" }).first().click();
    await expect(page.getByText(/store does not answer/i)).toHaveCount(0);
  });
}

test("billing: a trial, a failed payment, a subscription", async ({ page }) => {
  const standard = { retentionDays: 90, scheduleMinutes: 60, connections: 3, members: 10 };
  const plans = [
    {
      name: "free",
      title: "Free",
      limits: { retentionDays: 7, scheduleMinutes: 1440, connections: 1, members: 2 },
    },
    { name: "standard", title: "Standard", limits: standard, sold: true },
    { name: "business", title: "Business", limits: {}, sold: true },
  ];
  const soon = new Date(Date.now() + 5 * 86_400_000).toISOString();
  const billing = {
    plan: "standard",
    title: "Standard",
    limits: standard,
    retentionDays: 90,
    connections: 3,
    members: 2,
  };
  await answer(page, "BillingService/ListPlans", { plans, trialDays: 14, trialPlan: "standard" });
  await answer(page, "BillingService/GetBilling", {
    ...billing,
    warning: "trial_ends",
    until: soon,
    trialEndsAt: soon,
    canCheckout: true,
  });
  await page.goto("/billing");
  await expect(page.getByText(/Your trial ends on/)).toBeVisible();
  await expect(page.getByRole("button", { name: "Choose Business" })).toBeVisible();
  expect.soft(await looks(page)).toEqual([]);
  await page.screenshot({ path: "e2e/pictures/billing-light-1280.png", fullPage: true });

  await refuse(page, "BillingService/CreateCheckout", {
    kind: "conflict",
    what: "the account has a subscription already",
    hint: "change its plan in the portal",
  });
  await page.getByRole("button", { name: "Choose Business" }).click();
  await expect(page.getByText(/has a subscription already/)).toBeVisible();

  await answer(page, "BillingService/GetBilling", {
    ...billing,
    warning: "payment_failed",
    until: soon,
    subscriptionState: "past_due",
    subscriptionPlan: "standard",
    periodEndsAt: soon,
    canPortal: true,
  });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("/billing?checkout=done");
  await expect(page.getByText("A payment failed")).toBeVisible();
  await expect(page.getByRole("button", { name: "Card, invoices, cancel" })).toBeVisible();
  expect.soft(await looks(page)).toEqual([]);
  await page.screenshot({ path: "e2e/pictures/billing-dark-390.png", fullPage: true });
});
