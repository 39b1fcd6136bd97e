import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test as base, expect, type Page } from "@playwright/test";

// dir is where the demo keeps everything.
function dir(): string {
  const d = process.env.IMAGO_STAGE;
  if (!d) throw new Error("IMAGO_STAGE is not set: run scripts/console browser");
  return d;
}

// ada is the person of the story: an owner.
export const ada = "ada.moreno@acme-robotics.example";

// address is where the console is served.
export function address(): string {
  return `http://${JSON.parse(readFileSync(join(dir(), "ports.json"), "utf8")).imago}`;
}

// letters lists the mails that have arrived, oldest first.
export function letters(): string[] {
  const box = join(dir(), "outbox");
  return readdirSync(box)
    .sort()
    .map((f) => readFileSync(join(box, f), "utf8"));
}

// codeAfter waits for the mail with a code that comes after the first n.
async function codeAfter(n: number): Promise<string> {
  let code = "";
  await expect
    .poll(
      () => {
        code =
          letters()
            .slice(n)
            .map((l) => /^Subject: Your Imago sign-in code/m.test(l) && /^ {4}(\d{6})\r?$/m.exec(l)?.[1])
            .find(Boolean) || "";
        return code;
      },
      { timeout: 30_000 },
    )
    .not.toBe("");
  return code;
}

// signIn goes through the door as a person does.
export async function signIn(page: Page, to = "/"): Promise<void> {
  const before = letters().length;
  await page.goto(`${address()}${to}`);
  await page.getByLabel("Mail address").fill(ada);
  await page.getByRole("button", { name: "Mail me a code" }).click();
  const code = await codeAfter(before);
  await page.getByLabel("Digit 1 of 6").click();
  await page.keyboard.type(code);
  await expect(page.getByRole("button", { name: /Account menu/ })).toBeVisible();
}

// The session is kept beside the stage, for all tests: codes are mailed five times an hour.
const session = () => join(dir(), "browser-session");

// keep keeps the session of a page that has signed in, under the token that it has now.
export async function keep(page: Page): Promise<void> {
  const cookies = (await page.context().cookies()).filter((c) => c.name === "__Host-imago");
  if (cookies.length !== 1) throw new Error("signing in set no cookie");
  writeFileSync(session(), JSON.stringify(cookies), { mode: 0o600 });
}

// test is Playwright's with a session: pages open signed in.
export const test = base.extend({
  context: async ({ context }, use) => {
    await context.addCookies(JSON.parse(readFileSync(session(), "utf8")));
    await use(context);
  },
  // biome-ignore lint/correctness/noEmptyPattern: Playwright reads from it what the fixture needs
  baseURL: async ({}, use) => use(address()),
});

export { expect };
