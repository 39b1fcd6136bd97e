import { test as base, expect } from "@playwright/test";
import { address, looks, signIn } from "./stage";

// A passkey is added, kept by an authenticator of the browser's own making, and lets in
// without a mail.

base("a passkey", async ({ page }) => {
  const browser = await page.context().newCDPSession(page);
  await browser.send("WebAuthn.enable");
  const { authenticatorId } = await browser.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await signIn(page, "peggy.marsh@acme-robotics.example", "/settings");
  await page.getByRole("button", { name: "Add a passkey" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a passkey" });
  await dialog.getByLabel("Name").fill("Laptop");
  expect(await looks(page)).toEqual([]);
  await dialog.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByLabel(/I keep them/).check();
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByRole("table", { name: "Passkeys" }).getByText("Laptop")).toBeVisible();

  const out = async () => {
    await page.getByRole("button", { name: /Account menu/ }).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await expect(page.getByLabel("Mail address")).toBeVisible();
  };
  await out();
  await page.goto(`${address()}/sign-in?to=/settings`);
  expect(await looks(page)).toEqual([]);
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(
    page
      .getByRole("row", { name: /Laptop/ })
      .getByText("just now")
      .last(),
  ).toBeVisible();

  // A person who says no is told so, and may go another way.
  await out();
  await browser.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
  await page.getByRole("button", { name: "Use a passkey" }).click();
  await expect(page.getByText(/No passkey was given/)).toBeVisible({ timeout: 90_000 });
  await expect(page.getByLabel("Mail address")).toBeVisible();
});
