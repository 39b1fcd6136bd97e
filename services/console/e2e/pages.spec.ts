import type { Page } from "@playwright/test";
import { answer } from "./answers";
import { beyond, expect, looks, test } from "./stage";

// Every page in both themes and at both widths: nothing that axe objects to, nothing that
// the page's policy kept out, no sideways scrolling. The pictures are there to be looked at.

const screens = [
  [1280, 800],
  [390, 844],
] as const;
const themes = ["light", "dark"] as const;

// pages says how each is reached from the overview, as a person would.
const pages: Record<string, (page: Page) => Promise<void>> = {
  // First, while the session still counts as proven.
  authenticator: async (p) => {
    await nav(p, "Settings");
    await p.getByRole("button", { name: "Set up an authenticator app" }).click();
    await expect(p.getByRole("img", { name: "QR code of the key" })).toBeVisible();
  },
  overview: async () => {},
  org: (p) => open(p, p.getByRole("main").getByRole("link", { name: "acme", exact: true })),
  changes: (p) => open(p, p.getByRole("main").getByRole("link", { name: /finding/i })),
  change: async (p) => {
    await pages.changes?.(p);
    await p.getByText("All", { exact: true }).click();
    await open(p, p.getByRole("link", { name: "Group deleted" }).last());
  },
  filtered: async (p) => {
    await pages.changes?.(p);
    await p.goto(`${p.url()}?shelf=all&severity=critical&type=group&actor=nobody&since=2026-01-01`);
    await expect(p.getByText("Nothing matches")).toBeVisible();
  },
  snapshots: (p) => nav(p, "Snapshots"),
  snapshot: async (p) => {
    await nav(p, "Snapshots");
    await open(p, p.getByRole("table").getByRole("link").first());
  },
  browse: async (p) => {
    await pages.snapshot?.(p);
    await open(p, p.getByRole("main").getByRole("link", { name: "Browse" }));
  },
  moment: async (p) => {
    await nav(p, "Browse");
    await p.goto(`${p.url()}?at=${new Date().toISOString()}`);
    await expect(p.getByText(/as the snapshot of/)).toBeVisible();
  },
  object: async (p) => {
    await pages.snapshot?.(p);
    await open(p, p.getByRole("table").getByRole("link", { name: "Group", exact: true }));
    await open(p, p.getByRole("link", { name: "Finance", exact: true }));
  },
  found: async (p) => {
    await pages.browse?.(p);
    await p.getByRole("searchbox", { name: "Search the whole snapshot" }).fill("finance");
    await p.getByRole("checkbox", { name: "In all fields, too" }).check();
    await expect(p.getByRole("region", { name: "What was found" })).toBeVisible();
  },
  history: async (p) => {
    await pages.object?.(p);
    await p.getByRole("button", { name: "Find what refers to it" }).click();
    await expect(p.getByRole("region", { name: "What refers to it" })).toBeVisible();
    await p.getByRole("button", { name: "Show how it changed" }).click();
    await expect(p.getByRole("region", { name: "How it changed" })).toBeVisible();
  },
  compare: (p) => nav(p, "Compare"),
  restores: (p) => nav(p, "Restores"),
  restore: async (p) => {
    await nav(p, "Restores");
    await open(p, p.getByRole("table").getByRole("link").first());
  },
  graph: async (p) => {
    await pages.restore?.(p);
    await p.getByText("Graph", { exact: true }).click();
    await expect(p.getByRole("application")).toBeVisible();
  },
  choice: async (p) => {
    await pages.object?.(p);
    await open(p, p.getByRole("link", { name: "Restore this" }));
  },
  connect: (p) => nav(p, "Connect an org"),
  activity: (p) => nav(p, "Activity"),
  team: (p) => nav(p, "Team"),
  accounts: async (p) => {
    await p.goto("/accounts");
    await expect(p.getByText("this one")).toBeVisible();
  },
  settings: (p) => nav(p, "Settings"),
  tokens: async (p) => {
    await nav(p, "Settings");
    await open(p, p.getByRole("link", { name: "Tokens" }));
    await answer(p, "TokenService/ListTokens", { tokens });
    await p.reload();
    await expect(p.getByRole("table", { name: "API tokens" })).toBeVisible();
  },
  token: async (p) => {
    await p.goto("/settings/tokens");
    await p.getByRole("button", { name: "Make a token" }).click();
    await expect(p.getByRole("dialog", { name: "Make a token" })).toBeVisible();
  },
  company: async (p) => {
    await nav(p, "Settings");
    const card = p.getByRole("region", { name: "Your company's sign-in" });
    await card.getByRole("button", { name: "Set it up" }).click();
    await expect(card.getByLabel("Issuer")).toBeVisible();
  },
  door: async (p) => {
    await p.goto("/sign-in");
    await p.getByRole("button", { name: "Use your company's sign-in" }).click();
    await expect(p.getByLabel("Your company's name here")).toBeVisible();
  },
  nowhere: async (p) => {
    await p.goto("/there/is/nothing");
    await expect(p.getByText("There is no such page")).toBeVisible();
  },
};

// tokens is what has been made by some time.
const days = (n: number) => new Date(Date.now() + n * 86_400_000).toISOString();
const tokens = [
  {
    id: "00000000-0000-0000-0000-000000000001",
    name: "nightly export",
    owner: "ada.moreno@acme-robotics.example",
    scopes: ["open_snapshot", "view_account", "view_activity"],
    createdAt: days(-40),
    expiresAt: days(50),
    lastUsedAt: days(-1),
  },
  {
    id: "00000000-0000-0000-0000-000000000002",
    name: "monitor",
    owner: "robin.vale@acme-robotics.example",
    scopes: ["view_account"],
    createdAt: days(-2),
    expiresAt: days(5),
  },
];

async function nav(page: Page, name: string): Promise<void> {
  const menu = page.getByRole("button", { name: "Menu", exact: true });
  if (await menu.isVisible()) await menu.click();
  await open(page, page.getByRole("navigation", { name: "Main" }).getByRole("link", { name }));
}

// open follows a link and waits until the page that it leads to stands.
async function open(page: Page, link: ReturnType<Page["getByRole"]>): Promise<void> {
  await link.click();
  await settled(page);
}

async function settled(page: Page): Promise<void> {
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
  await expect(page.getByRole("status", { name: "Loading" })).toHaveCount(0);
}

for (const [name, reach] of Object.entries(pages)) {
  test(name, async ({ page }) => {
    const wrong: string[] = [];
    page.on("console", (m) => m.type() === "error" && wrong.push(m.text()));
    page.on("pageerror", (e) => wrong.push(e.message));
    await page.emulateMedia({ reducedMotion: "reduce" });
    await page.goto("/");
    await settled(page);
    await reach(page);
    await settled(page);
    for (const [width, height] of screens) {
      await page.setViewportSize({ width, height });
      for (const [i, colorScheme] of themes.entries()) {
        await page.emulateMedia({ colorScheme });
        await expect.poll(() => beyond(page)).toBeLessThanOrEqual(0); // the layout has settled
        await page.evaluate(() => window.scrollTo(0, 0)); // the head stands above the page
        await page.screenshot({ path: `e2e/pictures/${name}-${colorScheme}-${width}.png`, fullPage: true });
        expect.soft(await looks(page, i > 0), `${name}, ${colorScheme}, ${width}`).toEqual([]);
      }
    }
    expect(wrong).toEqual([]);
  });
}
