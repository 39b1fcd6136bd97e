import { test as base, expect } from "@playwright/test";
import { refusal } from "./answers";
import { address, looks, signIn } from "./stage";

// A token is made for a program, shown once, does what it may and nothing else, and is ended.

const trent = "trent.oduya@acme-robotics.example";

base("a token", async ({ page, request }) => {
  await signIn(page, trent, "/settings");
  await page.getByRole("link", { name: "Tokens" }).click();
  await page.getByRole("button", { name: "Make a token" }).click();
  const dialog = page.getByRole("dialog", { name: "Make a token" });
  await dialog.getByRole("button", { name: "Make it" }).click();
  await expect(dialog.getByRole("textbox", { name: "Name" })).toHaveAttribute("aria-invalid", "true");
  await dialog.getByRole("textbox", { name: "Name" }).fill("monitor");
  await dialog.getByLabel("See states").uncheck();
  await dialog.getByRole("button", { name: "Make it" }).click();
  await expect(dialog.getByText(/may nothing/)).toBeVisible();
  await expect(dialog.getByRole("textbox", { name: "Name" })).toHaveValue("monitor");
  await dialog.getByLabel("See states").check();
  expect(await looks(page)).toEqual([]);

  // Whoever does not go on with the proof is back where it was asked for.
  const create = "**/imago.v1.TokenService/CreateToken";
  await page.route(create, (route) =>
    route.fulfill(refusal({ kind: "step_up", what: "this needs proof that it is you" })),
  );
  await dialog.getByRole("button", { name: "Make it" }).click();
  const proof = page.getByRole("dialog", { name: "Is it you?" });
  await expect(proof).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(proof).toBeHidden();
  await expect(dialog.getByRole("textbox", { name: "Name" })).toHaveValue("monitor");
  await page.unroute(create);

  await dialog.getByRole("button", { name: "Make it" }).click();
  const token = (await dialog.getByLabel("Token").textContent()) ?? "";
  expect(token).toMatch(/^imago_token_/);
  expect(await looks(page)).toEqual([]);
  await dialog.getByRole("button", { name: "I have put it away" }).click();

  const call = async (rpc: string) =>
    (
      await request.post(`${address()}/imago.v1.${rpc}`, {
        data: {},
        headers: { Authorization: `Bearer ${token}` },
      })
    ).status();
  expect(await call("ConnectionService/ListConnections")).toBe(200);
  expect(await call("ActivityService/ListActivity")).toBe(403);
  await page.reload();
  const row = page.getByRole("row", { name: /monitor/ });
  await expect(row.getByText("just now")).toHaveCount(2); // made, and used
  await expect(page.getByText(token)).toHaveCount(0);
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByText("No token yet")).toBeVisible();
  expect(await call("ConnectionService/ListConnections")).toBe(401);
});
