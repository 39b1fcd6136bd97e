import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { test as base, expect, type Page } from "@playwright/test";
import { dir, looks, type } from "./stage";

// From the trial to Checkout and the portal, in an installation that sells: imagod of its
// own, beside a Stripe that plays what happens on Stripe's pages.

const started: ChildProcess[] = [];
let home = ""; // a folder of its own, that Postgres' user can come to

// start starts a program of ours and gives its output, line by line.
function start(program: string, args: string[], env: Record<string, string> = {}) {
  const file = join(process.env.IMAGO_BIN ?? "", program);
  if (!existsSync(file)) throw new Error(`there is no ${file}: scripts/demo --build`);
  const child = spawn(file, args, {
    env: { ...ours(), ...env },
    stdio: ["ignore", "pipe", "ignore"],
  });
  started.push(child);
  return createInterface({ input: child.stdout });
}

// ours is the environment without what is meant for the tests: imagod refuses what it does
// not know.
function ours(): Record<string, string> {
  const known = (name: string) => !name.startsWith("IMAGO_") || name === "IMAGO_POSTGRES_BIN";
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => known(name))) as Record<
    string,
    string
  >;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const at = server.address();
  await new Promise((closed) => server.close(closed));
  if (at === null || typeof at === "string") throw new Error("there is no free port");
  return at.port;
}

// open opens the shop: the console's address, and Stripe's.
async function open(): Promise<{ imago: string; stripe: string }> {
  home = mkdtempSync(join(dirname(dir()), "shop-"));
  chmodSync(home, 0o711);
  const imago = `http://127.0.0.1:${await freePort()}`;
  let stripe = "";
  for await (const line of start("browsertest", ["--webhook", `${imago}/webhooks/stripe`])) {
    stripe = line;
    break;
  }
  const secret = (name: string, text: string) => {
    writeFileSync(join(home, name), text, { mode: 0o600 });
    return join(home, name);
  };
  start("imagod", ["--data", join(home, "data"), "--listen", new URL(imago).host], {
    IMAGO_PUBLIC_URL: imago,
    IMAGO_STRIPE_HOST: stripe,
    IMAGO_STRIPE_KEY_FILE: secret("key", "sk_test_standin"),
    IMAGO_STRIPE_WEBHOOK_SECRET_FILE: secret("webhook", "whsec_stand_in"),
    IMAGO_STRIPE_PRICE_STANDARD: "price_standard",
    IMAGO_STRIPE_PRICE_BUSINESS: "price_business",
  });
  const ready = () =>
    fetch(`${imago}/readyz`).then(
      (r) => r.status,
      () => 0,
    );
  await expect.poll(ready, { timeout: 120_000 }).toBe(200);
  return { imago, stripe };
}

// letters reads the mails of an installation without a mail server.
const letters = () =>
  readdirSync(join(home, "data", "mail")).map((f) => readFileSync(join(home, "data", "mail", f), "utf8"));

async function signIn(page: Page, imago: string): Promise<void> {
  await page.goto(`${imago}/billing`);
  await page.getByLabel("Mail address").fill("olivia.lang@example.com");
  await page.getByRole("button", { name: "Mail me a code" }).click();
  const code = () => letters().map((l) => /^ {4}(\d{6})\r?$/m.exec(l)?.[1])[0] ?? "";
  await expect.poll(code, { timeout: 30_000 }).not.toBe("");
  await type(page, code());
}

// play has something happen at Stripe.
async function play(stripe: string, act: string, of: string): Promise<string> {
  const answer = await fetch(`${stripe}/play/${act}?of=${encodeURIComponent(of)}`, { method: "POST" });
  if (!answer.ok) throw new Error(`${act}: ${await answer.text()}`);
  return (await answer.json()).subscription;
}

base.afterAll(async () => {
  for (const child of started.reverse()) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  }
  if (home) rmSync(home, { recursive: true });
});

base("from the trial to Checkout and the portal", async ({ page }) => {
  base.setTimeout(300_000);
  const { imago, stripe } = await open();
  await page.route("https://*.stripe.test/**", (route) =>
    route.fulfill({ contentType: "text/html", body: "<title>Stripe</title><h1>Stripe</h1>" }),
  );
  await signIn(page, imago);
  await expect(page.getByRole("heading", { level: 1, name: "Billing" })).toBeVisible();
  await expect(page.getByText(/Trial until/)).toBeVisible();
  expect(await looks(page)).toEqual([]);

  await page.getByRole("button", { name: "Choose Business" }).click();
  await expect(page).toHaveURL(/^https:\/\/checkout\.stripe\.test\//);
  const subscription = await play(stripe, "pay", page.url());
  await page.goto(`${imago}/billing?checkout=done`);
  await expect(page.getByText("Thank you. Business is yours.")).toBeVisible({ timeout: 60_000 });
  await expect(page.getByRole("button", { name: "Choose Standard" })).toBeHidden();

  await page.getByRole("button", { name: "Card, invoices, cancel" }).click();
  await expect(page).toHaveURL(/^https:\/\/billing\.stripe\.test\//);
  await play(stripe, "fail", subscription);
  await page.goto(`${imago}/billing?checkout=done`); // which asks until it is told
  await expect(page.getByText("A payment failed")).toBeVisible({ timeout: 60_000 });
  await play(stripe, "recover", subscription);
  await expect(page.getByText("A payment failed")).toBeHidden({ timeout: 60_000 });
  await play(stripe, "cancel", subscription);
  await expect(page.getByRole("button", { name: "Choose Business" })).toBeVisible({ timeout: 60_000 });
  expect(await looks(page)).toEqual([]);
});
