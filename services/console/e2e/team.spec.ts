import { test as base, expect } from "@playwright/test";
import { invitation, ivo, looks, mailedCode, signIn } from "./stage";

// Somebody is asked in, comes by the mail's link, gets another role and is removed.

const judy = "judy.berg@acme-robotics.example";

base("an invitation", async ({ browser }) => {
  base.setTimeout(240_000);
  const [owners, guests] = [await browser.newContext(), await browser.newContext()];
  const page = await owners.newPage();
  await signIn(page, ivo, "/team");
  await page.getByLabel("Mail address").fill("no address");
  await page.getByRole("button", { name: "Invite" }).click();
  await expect(page.getByText(/mail address/i).last()).toBeVisible();
  await expect(page.getByLabel("Mail address")).toHaveValue("no address");

  const link = await invitation(page, judy);
  expect(await looks(page)).toEqual([]);
  const guest = await guests.newPage();
  await guest.goto(link);
  await expect(guest.getByRole("heading", { name: "You are invited" })).toBeVisible();
  expect(await looks(guest)).toEqual([]);
  await guest.getByLabel("Mail address").fill(judy);
  await mailedCode(guest, judy, () => guest.getByRole("button", { name: "Mail me a code" }).click());
  await guest.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Team" }).click();
  await expect(guest.getByRole("table", { name: "Members" }).getByText(ivo)).toBeVisible();
  await expect(guest.getByRole("button", { name: "Invite" })).toBeHidden();

  await page.reload();
  const role = page.getByRole("combobox", { name: `Role of ${judy}` });
  await role.click();
  const changed = page.waitForResponse(/TeamService\/UpdateMember/);
  await page.getByRole("option", { name: "Viewer" }).click();
  expect((await changed).ok()).toBe(true);
  await page.reload();
  await expect(role).toHaveValue("Viewer");
  await page
    .getByRole("row", { name: new RegExp(judy) })
    .getByRole("button", { name: "Remove" })
    .click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(page.getByRole("table", { name: "Members" }).getByText(judy)).toBeHidden();

  // Her session has ended with that: she is asked to sign in, above the page.
  await guest.getByRole("link", { name: "Settings" }).first().click();
  await expect(guest.getByRole("dialog", { name: "Sign in again to go on" })).toBeVisible();
  await owners.close();
  await guests.close();
});

base("a session that ends goes on in its account", async ({ page, browser }) => {
  base.setTimeout(240_000);
  const trent = "trent.moss@acme-robotics.example";
  await signIn(page, trent); // whose oldest account is their own
  const owner = await (await browser.newContext()).newPage();
  await signIn(owner, ivo);
  await page.goto(await invitation(owner, trent));
  await page.getByRole("button", { name: "Accept the invitation" }).click();
  const members = page.getByRole("table", { name: "Members" });
  const team = page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Team" });
  await team.click();
  await expect(members.getByText(ivo)).toBeVisible();
  await page.getByRole("link", { name: "Overview" }).first().click();

  const over = await page.evaluate(async () => {
    const headers = { "Content-Type": "application/json" };
    return (await fetch("/imago.v1.SignInService/SignOut", { method: "POST", headers, body: "{}" })).status;
  });
  expect(over).toBe(200);
  await page.getByRole("link", { name: "Settings" }).first().click();
  const dialog = page.getByRole("dialog", { name: "Sign in again to go on" });
  await mailedCode(page, trent, () => dialog.getByRole("button", { name: "Mail me a code" }).click());
  await expect(dialog).toBeHidden();
  await team.click();
  await expect(members.getByText(ivo)).toBeVisible();
  await owner.context().close();
});
