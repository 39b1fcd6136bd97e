import { readFileSync } from "node:fs";
import { test as base, expect, type Page } from "@playwright/test";
import { Idp } from "./idp";
import { address, looks, mailedCode, signIn } from "./stage";

// An owner says where the company signs in; from there one comes in, and nothing that comes
// back otherwise lets anybody in.

// Somebody new, and a name of their own: a company's name is given once.
const slug = `quint-${Date.now().toString(36)}`;
const walter = `walter.${slug}@acme-robotics.example`;

async function signOut(page: Page): Promise<void> {
  await page.getByRole("button", { name: /Account menu/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByLabel("Mail address")).toBeVisible();
}

async function goThere(page: Page, slug: string): Promise<void> {
  await page.getByRole("button", { name: "Use your company's sign-in" }).click();
  await page.getByLabel("Your company's name here").fill(slug);
  await page.getByRole("button", { name: "Go there" }).click();
}

// The installation's own provider is as good as a mailed code: also for somebody new.
base("the installation's sign-in", async ({ page }) => {
  const { IMAGO_IDP_PORT: port, IMAGO_IDP_SECRET: secret } = process.env;
  base.skip(
    !port || !secret,
    "the stage that is up knows no identity provider: let scripts/console start one",
  );
  const idp = await Idp.start(Number(port), readFileSync(secret ?? "", "utf8").trim());
  idp.person = { sub: "u-2", email: `nora.${slug}@acme-robotics.example` };
  await page.goto(`${address()}/sign-in?to=/settings`);
  const there = page.getByRole("button", { name: "Sign in with Acme ID" });
  await expect(there).toBeVisible();
  expect(await looks(page)).toEqual([]);
  await there.click();
  await expect(page.getByRole("button", { name: /Account menu/ })).toBeVisible();
  expect(page.url()).toBe(`${address()}/settings`);
  await expect(page.getByText(idp.person.email).first()).toBeVisible();
  await signOut(page);

  await idp.stop();
  await there.click();
  await expect(page.getByText(/does not answer as one/)).toBeVisible();
});

base("the company's sign-in", async ({ page }) => {
  base.setTimeout(240_000);
  const idp = await Idp.start();
  idp.person = { sub: "u-1", email: walter };
  await signIn(page, walter, "/settings");
  const card = page.getByRole("region", { name: "Your company's sign-in" });
  await card.getByRole("button", { name: "Set it up" }).click();
  await expect(card.getByText(new RegExp(`${address()}/sign-in/sso/`))).toBeVisible();
  await card.getByLabel("Issuer").fill(`${idp.url}/nobody`);
  await card.getByLabel("Client ID").fill(idp.clientId);
  await card.getByLabel("Client secret").fill(idp.clientSecret);
  await card.getByLabel("Your company's name here").fill(slug);
  await card.getByRole("button", { name: "Check and save" }).click();
  await expect(card.getByLabel("Issuer")).toHaveAttribute("aria-invalid", "true");
  await expect(card.getByLabel("Client secret")).toHaveValue(idp.clientSecret);
  expect(await looks(page)).toEqual([]);
  await card.getByLabel("Issuer").fill(idp.url);
  await card.getByRole("button", { name: "Check and save" }).click();
  await expect(card.getByText("Nobody has come in by it yet.")).toBeVisible();
  await expect(card.getByLabel("Members come in by it alone")).toBeDisabled();
  await page.reload();
  await expect(card.getByLabel("Issuer")).toHaveValue(idp.url);
  await expect(card.getByLabel("Client secret")).toHaveValue("");
  await signOut(page);

  // A name that is none, a provider that says no, and in.
  await page.goto(`${address()}/sign-in?to=/settings`);
  expect(await looks(page)).toEqual([]);
  await goThere(page, "no-such-company");
  await expect(page.getByText(/no company signs in here by that name/i)).toBeVisible();
  idp.refuses = true;
  await page.getByLabel("Your company's name here").fill(slug);
  await page.getByRole("button", { name: "Go there" }).click();
  await expect(page.getByText(/let nobody in \(access_denied\)/)).toBeVisible();
  expect(await looks(page)).toEqual([]);
  await page.getByRole("link", { name: "Begin again" }).click();
  idp.refuses = false;
  let back = "";
  page.on("request", (r) => {
    if (r.isNavigationRequest() && r.url().includes("code=")) back = r.url();
  });
  await page.goto(`${address()}/sign-in?to=/settings`);
  await goThere(page, slug);
  await expect(card.getByText("1 member came in by it.")).toBeVisible();
  expect(page.url()).toBe(`${address()}/settings`);

  // It wants proof of its own before it changes who comes in.
  await card.getByLabel("Members come in by it alone").click();
  await card.getByRole("button", { name: "Check and save" }).click();
  const dialog = page.getByRole("dialog", { name: "Is it you?" });
  await mailedCode(page, walter, () => dialog.getByRole("button", { name: /Mail a code to/ }).click());
  await expect(card.getByText(/The issuer answers as one/)).toBeVisible();
  await card.getByRole("button", { name: "Take it away" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take it away" }).click();
  await expect(page.getByText(/You came in by the identity provider that this takes away/)).toBeVisible();

  // What came back once is worth nothing again, here or elsewhere.
  await page.goto(back);
  await expect(page.getByText(/did not begin in this tab/)).toBeVisible();
  expect(page.url()).not.toContain("code=");

  // The provider breaks: an owner gets in all the same, and takes it away.
  await idp.stop();
  await page.goto(address());
  await signOut(page);
  await goThere(page, slug);
  await expect(page.getByText(/does not answer as one/)).toBeVisible();
  await signIn(page, walter, "/settings");
  await card.getByRole("button", { name: "Take it away" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Take it away" }).click();
  await expect(card.getByRole("button", { name: "Set it up" })).toBeVisible();
});
