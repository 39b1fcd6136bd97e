import { test as base, expect } from "@playwright/test";
import { address, letterTo, looks, signIn } from "./stage";

// An owner renews the account's keys and has them sealed to a recipient, asks for the account
// to be deleted, and takes that back.

const lea = "lea.marsh@acme-robotics.example";
const age = "age125ra746w3gcv4s3cl6mllrgy68hsdvgshh946enkgmydshju4yhss2qg9v";

base("keys, and an account's end", async ({ page }) => {
  await signIn(page, lea, "/settings");
  const keys = page.getByRole("region", { name: "Keys" });
  await keys.getByRole("button", { name: "Make a new data key" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make it" }).click();
  await expect(keys.getByText("a new one is being made")).toBeVisible();
  await expect(keys.getByRole("button", { name: "Make a new data key" })).toBeDisabled();

  await keys.getByRole("button", { name: "Add an escrow" }).click();
  const recipient = page.getByRole("textbox", { name: "Recipient" });
  await recipient.fill("age1nobody");
  await page.keyboard.press("Enter");
  await expect(recipient).toHaveAttribute("aria-invalid", "true");
  expect(await looks(page)).toEqual([]);
  await recipient.fill(age);
  await page.keyboard.press("Enter");
  const row = page.getByRole("table", { name: "Escrows" }).getByRole("row", { name: new RegExp(age) });
  await expect(row.getByText("all keys")).toBeVisible({ timeout: 90_000 });
  const saved = page.waitForEvent("download");
  await row.getByRole("button", { name: "Download" }).click();
  expect((await saved).suggestedFilename()).toMatch(/^imago-.*\.age$/);
  await row.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(keys.getByText("Nobody but Imago can open the backups.")).toBeVisible();

  await page.getByRole("button", { name: "Delete the account" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete the account?" });
  const name = (await dialog.locator("b").textContent()) ?? "";
  const remove = dialog.getByRole("button", { name: "Delete it in 72 hours" });
  await expect(remove).toBeDisabled();
  await dialog.getByLabel("Name of the account").fill(name);
  expect(await looks(page)).toEqual([]);
  await remove.click();
  const banner = page.getByRole("region", { name: "This account is to be deleted" });
  await expect(banner).toContainText(`${lea} asked for it just now`);
  await expect(page.getByRole("button", { name: "Delete the account" })).toHaveCount(0);
  await letterTo(lea, /^Subject: .*is to be deleted/m);
  await page.goto(`${address()}/`);
  await expect(banner.getByText("This account is to be deleted")).toBeVisible();
  await banner.getByRole("button", { name: "Keep the account" }).press("Enter");
  await expect(banner).toHaveCount(0);
  await page.goto(`${address()}/settings`);
  await expect(page.getByRole("button", { name: "Delete the account" })).toBeVisible();
});
