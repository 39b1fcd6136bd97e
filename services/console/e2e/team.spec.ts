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
  await page.getByRole("option", { name: "Viewer" }).click();
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
