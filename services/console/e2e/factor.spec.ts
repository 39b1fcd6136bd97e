import { test as base, expect, type Page } from "@playwright/test";
import { refusal } from "./answers";
import { invitation, knock, looks, mailedCode, signIn, totp, type } from "./stage";

// A second factor from the first to the last: set up, wanted of everybody, asked for, lost,
// set up on the way in; and proof again in the middle of something.

const mallory = "mallory.kent@acme-robotics.example";
const grace = "grace.hill@acme-robotics.example";
const menu = (page: Page) => page.getByRole("button", { name: /Account menu/ });

async function signOut(page: Page): Promise<void> {
  await menu(page).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByLabel("Mail address")).toBeVisible();
}

// enrolled sets an authenticator up on the page that offers it.
async function enrolled(page: Page): Promise<{ secret: string; recovery: string[] }> {
  await expect(page.getByRole("img", { name: "QR code of the key" })).toBeVisible();
  const secret = ((await page.getByLabel("Key", { exact: true }).textContent()) ?? "").replaceAll(" ", "");
  await type(page, totp(secret, -1)); // a code counts once: later ones are of later steps
  await expect(page.getByText("Keep these recovery codes")).toBeVisible();
  expect(await looks(page)).toEqual([]);
  const recovery = await page.getByRole("listitem").allTextContents();
  await page.getByLabel(/I keep them/).check();
  await page.getByRole("button", { name: "Go on" }).click();
  return { secret, recovery };
}

base("a second factor", async ({ page, browser }) => {
  base.setTimeout(240_000);
  await signIn(page, grace, "/settings");
  const everybody = page.getByLabel("Everybody needs a second factor");
  await expect(everybody).toBeDisabled(); // who has none would lock themselves out
  await page.getByRole("button", { name: "Set up an authenticator app" }).click();
  const { secret, recovery } = await enrolled(page);
  expect(recovery).toHaveLength(10);
  await expect(page.getByText("10 recovery codes left")).toBeVisible();
  await everybody.click();
  await expect(page.getByText("so it cannot be removed")).toBeVisible();
  await signOut(page);

  // It is asked for, and a wrong one can be corrected.
  await knock(page, grace);
  await type(page, totp(secret, 1000));
  await expect(page.getByText(/not your authenticator's code/)).toBeVisible();
  expect(await looks(page)).toEqual([]);
  await type(page, totp(secret));
  await expect(menu(page)).toBeVisible();
  await signOut(page);

  // It is lost.
  await knock(page, grace, "/sign-in?to=/settings");
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill(recovery[3] ?? "");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByText("9 recovery codes left")).toBeVisible();

  // Who is asked in has none, and sets one up on the way.
  const guest = await (await browser.newContext()).newPage();
  await guest.goto(await invitation(page, mallory));
  await guest.getByLabel("Mail address").fill(mallory);
  await mailedCode(guest, mallory, () => guest.getByRole("button", { name: "Mail me a code" }).click());
  await expect(guest.getByText("wants a second factor of everybody")).toBeVisible();
  expect(await looks(guest)).toEqual([]);
  await enrolled(guest);
  await expect(menu(guest)).toBeVisible();
  await guest.context().close();
});

base("proof in the middle of something", async ({ page }) => {
  const heidi = "heidi.lund@acme-robotics.example";
  await signIn(page, heidi, "/team");
  // The server's clock cannot be moved: it is its answer that is played, once.
  let refused = 0;
  await page.route("**/imago.v1.TeamService/CreateInvitation", (route) =>
    refused++ === 0
      ? route.fulfill(refusal({ kind: "step_up", what: "this needs proof that it is you" }))
      : route.continue(),
  );
  await page.getByLabel("Mail address").fill("niaj@acme-robotics.example");
  await page.getByRole("button", { name: "Invite" }).click();
  const dialog = page.getByRole("dialog", { name: "Is it you?" });
  await expect(dialog).toBeVisible();
  expect(await looks(page)).toEqual([]);
  await mailedCode(page, heidi, () => dialog.getByRole("button", { name: /Mail a code to/ }).click());
  await expect(dialog).toBeHidden();
  await expect(
    page.getByRole("table", { name: "Invitations" }).getByText("niaj@acme-robotics.example"),
  ).toBeVisible();
  expect(refused).toBe(2);
});
