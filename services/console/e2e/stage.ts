import { createHash, createHmac } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { test as base, expect, type Page } from "@playwright/test";

// dir is where the demo keeps everything.
export function dir(): string {
  const d = process.env.IMAGO_STAGE;
  if (!d) throw new Error("IMAGO_STAGE is not set: run scripts/console browser");
  return d;
}

// ada is the person of the story: an owner.
export const ivo = "ivo.almeida@acme-robotics.example";
export const ada = "ada.moreno@acme-robotics.example";

// ports says where what is.
export function ports(): { imago: string; okta: string } {
  return JSON.parse(readFileSync(join(dir(), "ports.json"), "utf8"));
}

// address is where people open the console: by a name, which passkeys need.
export const address = () => `http://${ports().imago.replace("127.0.0.1", "localhost")}`;

// letters lists the mails that have arrived, oldest first.
export function letters(): string[] {
  const box = join(dir(), "outbox");
  return readdirSync(box)
    .sort()
    .map((f) => readFileSync(join(box, f), "utf8"));
}

// codeAfter waits for the mail with a code to somebody that comes after the first n.
async function codeAfter(n: number, email: string): Promise<string> {
  let code = "";
  await expect
    .poll(
      () => {
        code =
          letters()
            .slice(n)
            .filter((l) => l.includes(email) && /^Subject: Your Imago .*code/m.test(l))
            .map((l) => /^ {4}(\d{6})\r?$/m.exec(l)?.[1])
            .find(Boolean) || "";
        return code;
      },
      { timeout: 30_000 },
    )
    .not.toBe("");
  return code;
}

// type types a code where it is asked for.
export async function type(page: Page, code: string): Promise<void> {
  await page.getByLabel("Digit 1 of 6").click();
  await page.keyboard.type(code);
}

// mailedCode does what has a code mailed, and types it.
export async function mailedCode(page: Page, email: string, ask: () => Promise<void>): Promise<void> {
  const before = letters().length;
  await ask();
  await type(page, await codeAfter(before, email));
}

// place is where somebody comes from, each from elsewhere (RFC 2544's range, for tests): from
// one place only twenty codes are mailed in an hour.
function place(email: string): string {
  const [a, b] = createHash("sha256").update(email).digest();
  return `198.18.${a}.${b}`;
}

// knock goes to the door with an address and its mailed code.
export async function knock(page: Page, email = ada, to = "/"): Promise<void> {
  await page.context().setExtraHTTPHeaders({ "X-Forwarded-For": place(email) });
  await page.goto(`${address()}${to}`);
  await page.getByLabel("Mail address").fill(email);
  await mailedCode(page, email, () => page.getByRole("button", { name: "Mail me a code" }).click());
}

// signIn goes through the door as a person does.
export async function signIn(page: Page, email = ada, to = "/"): Promise<void> {
  await knock(page, email, to);
  await expect(page.getByRole("button", { name: /Account menu/ })).toBeVisible();
}

// letterTo waits for a mail to somebody, and reads its plain text's lines as they were written.
export async function letterTo(email: string, subject: RegExp): Promise<string> {
  let text = "";
  await expect
    .poll(
      () => {
        text = letters().find((l) => l.includes(email) && subject.test(l)) ?? "";
        return text;
      },
      { timeout: 60_000 },
    )
    .not.toBe("");
  // Quoted-printable (RFC 2045): soft line breaks are none, and =3D is an equals sign.
  return text
    .replaceAll(/=\r?\n/g, "")
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

// invitation asks somebody in, from wherever in the console, and gives their mail's link.
export async function invitation(page: Page, email: string): Promise<string> {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Team" }).click();
  await page.getByLabel("Mail address").fill(email);
  await page.getByRole("button", { name: "Invite" }).click();
  await expect(page.getByRole("table", { name: "Invitations" }).getByText(email)).toBeVisible();
  const letter = await letterTo(email, /^Subject: .*invited/m);
  return /http\S+\/invitation#imago_invite_[\w-]+/.exec(letter)?.[0] ?? "no link in the mail";
}

// totp is an authenticator app's code (RFC 6238, RFC 4648): of now, or some steps from now.
export function totp(secret: string, steps = 0): string {
  const bits = [...secret].map((c) =>
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0"),
  );
  const key = Buffer.from((bits.join("").match(/.{8}/g) ?? []).map((b) => Number.parseInt(b, 2)));
  const at = Buffer.alloc(8);
  at.writeBigInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(at).digest();
  const word = mac.readUInt32BE((mac[19] ?? 0) & 15) & 0x7fffffff;
  return String(word % 1_000_000).padStart(6, "0");
}

// looks says what is wrong with a page as it stands: all that axe knows, or its colours.
export async function looks(page: Page, colours = false): Promise<string[]> {
  const axe = new AxeBuilder({ page });
  const { violations } = await (colours ? axe.withRules("color-contrast") : axe).analyze();
  const wrong = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join("\n  ")}`);
  const wide = await beyond(page);
  return wide > 0 ? [...wrong, `it is ${wide} pixels too wide`] : wrong;
}

// beyond is how many pixels a page is wider than the window.
export function beyond(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
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

// storysOrg is the address of the story's org.
export async function storysOrg(page: Page): Promise<string> {
  await page.goto("/");
  const link = page.getByRole("main").getByRole("link", { name: "acme", exact: true });
  return (await link.getAttribute("href")) ?? "";
}

export { expect };
