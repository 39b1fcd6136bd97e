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
  thinning: async (p) => {
    await pages.org?.(p);
    await p.getByRole("radio", { name: "Fewer of the older ones" }).check();
    await expect(p.getByText(/^As things are, /)).toBeVisible();
  },
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
  missed: async (p) => {
    await miss(p);
    await nav(p, "Snapshots");
    await open(p, p.getByRole("row").last().getByRole("link").first());
    await expect(p.getByRole("button", { name: "Give up as lost…" })).toBeVisible();
  },
  giving: async (p) => {
    await pages.missed?.(p);
    const button = p.getByRole("button", { name: "Give up as lost…" });
    const dialog = p.getByRole("dialog", { name: "Give up this snapshot as lost?" });
    await button.focus();
    await p.keyboard.press("Enter");
    await expect(dialog.getByRole("button", { name: "Close" })).toBeFocused();
    await p.keyboard.press("Escape");
    await expect(dialog).toHaveCount(0);
    await expect(button).toBeFocused();
    await p.keyboard.press("Enter");
    await expect(dialog.getByRole("button", { name: "Give up as lost" })).toBeVisible();
  },
  given: async (p) => {
    await pages.giving?.(p);
    await answer(p, "SnapshotService/GiveUpSnapshot", {});
    await miss(p, { given_up_at: new Date().toISOString(), kept_until: undefined });
    await p.getByRole("dialog").getByRole("button", { name: "Give up as lost" }).click();
    const kept = p.getByRole("region", { name: "How long it is kept" });
    await expect(kept.getByText("It is let go within a day")).toBeFocused();
    await expect(kept.getByRole("heading", { name: "Given up as lost" })).toBeVisible();
    await expect(p.getByRole("button", { name: "Give up as lost…" })).toHaveCount(0);
    await expect(p.getByRole("dialog")).toHaveCount(0);
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
  keys: async (p) => {
    await answer(p, "KeyService/GetKeys", { keys });
    await nav(p, "Settings");
    await expect(p.getByRole("table", { name: "Escrows" })).toBeVisible();
    await p.getByRole("button", { name: "Add an escrow" }).click();
    await expect(p.getByRole("textbox", { name: "Recipient" })).toBeFocused();
    await p.keyboard.press("Escape");
    await expect(p.getByRole("dialog")).toHaveCount(0);
    await answer(p, "KeyService/RetireKeys", { keys: { ...keys, retiring: true } });
    await p.getByRole("button", { name: "Retire the older keys" }).click();
    const uses = [
      { version: 1, objects: "1200" },
      { version: keys.version, objects: "340" },
    ];
    await answer(p, "KeyService/GetKeys", { keys: { ...keys, retiring: true, uses } });
    await p.getByRole("button", { name: "Retire them" }).click();
    await expect(p.getByText("snapshots are sealed anew")).toBeVisible();
    await expect(p.getByText("340 of 1,540 objects")).toBeVisible();
    await expect(p.getByRole("button", { name: "Retire the older keys" })).toBeDisabled();
  },
  leaving: async (p) => {
    await answer(p, "AccountService/GetDeletion", { deletion });
    await p.reload();
    await nav(p, "Team");
    await expect(p.getByRole("button", { name: "Keep the account" })).toBeVisible();
  },
  deletion: async (p) => {
    await nav(p, "Settings");
    await p.getByRole("button", { name: "Delete the account" }).click();
    const dialog = p.getByRole("dialog", { name: "Delete the account?" });
    await expect(dialog.getByRole("button", { name: /72 hours/ })).toBeDisabled();
    await dialog.getByLabel("Name of the account").fill("another");
    await expect(dialog.getByRole("button", { name: /72 hours/ })).toBeDisabled();
  },
  damaged: async (p) => {
    await damage(p);
    await pages.org?.(p);
    await expect(p.getByRole("table", { name: "What is damaged" })).toBeVisible();
  },
  lost: async (p) => {
    await lose(p);
    await pages.org?.(p);
    await expect(p.getByRole("button", { name: "Make new keys" })).toBeVisible();
  },
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

const age = "age125ra746w3gcv4s3cl6mllrgy68hsdvgshh946enkgmydshju4yhss2qg9v";

// keys are some that were renewed, of which one escrow is behind.
const keys = {
  version: 3,
  oldest: 2,
  wrappedBy: "aws-kms",
  renewedAt: new Date(Date.now() - 3_600_000).toISOString(),
  escrows: [
    { id: "1", recipient: age, version: 3, madeAt: new Date().toISOString() },
    { id: "2", recipient: `age1pq1${"q".repeat(1_900)}`, version: 2, madeAt: new Date().toISOString() },
  ],
};

const deletion = {
  askedBy: "robin.vale@acme-robotics.example",
  askedAt: new Date(Date.now() - 3_600_000).toISOString(),
  dueAt: new Date(Date.now() + 71 * 3_600_000).toISOString(),
};

// damage has the org's backups look damaged, and tells where.
async function damage(page: Page): Promise<string> {
  const at = new Date(Date.now() - 3 * 3_600_000).toISOString();
  const check = { checkedAt: at, snapshots: "214", segments: "812", damaged: 2, snapshotsConcerned: 31 };
  const below = `users/${"0".repeat(36)}/connections/${"1".repeat(36)}/backups/2026-11-21T120000.000Z-00000000`;
  const objects = ["it is not there", "it does not open"].map((what, i) => ({
    object: `${below}/seg-00000${i}-0011223344556677`,
    what,
    snapshots: 31,
    firstSnapshotAt: at,
    lastSnapshotAt: at,
  }));
  await rework(page, "ConnectionService/GetConnection", { repository_check: check });
  await answer(page, "ConnectionService/GetRepositoryCheck", { check: { ...check, objects } });
  return `${below}/`;
}

// miss has every snapshot look as one that the damage is in.
async function miss(page: Page, more = {}): Promise<void> {
  const location = await damage(page);
  await rework(page, "SnapshotService/GetSnapshot", { location, pinned_at: undefined, ...more });
}

// lose has the org look as one that came back from the bucket.
async function lose(page: Page): Promise<void> {
  const problem = {
    kind: "denied",
    what: "the connection came back from the bucket, which does not hold its credentials",
    hint: "give it new keys: imago connect NAME --new-key",
  };
  await rework(page, "ConnectionService/GetConnection", {
    state: "failed",
    problem,
    credentials: [],
    access: [],
  });
}

// rework changes what the server says of the one thing that an RPC answers, whose fields it
// calls as the contract does.
async function rework(page: Page, rpc: string, change: object): Promise<void> {
  await page.route(`**/imago.v1.${rpc}`, async (route) => {
    const response = await route.fetch();
    const answered = Object.entries<object>(await response.json());
    const json = Object.fromEntries(answered.map(([name, one]) => [name, { ...one, ...change }]));
    await route.fulfill({ response, json });
  });
}

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
