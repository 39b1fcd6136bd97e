import { test as base, expect } from "@playwright/test";
import { address, looks, signIn } from "./stage";

// A command line asks to be let in, and the person who began it says yes, or no (RFC 8628).

base("a command line is let in, and another one is not", async ({ page, request }) => {
  const call = async (rpc: string, body: unknown) => {
    const answer = await request.post(`${address()}/imago.v1.DeviceService/${rpc}`, { data: body });
    expect(answer.ok()).toBe(true);
    return answer.json();
  };
  const first = await call("BeginDevice", {});
  await signIn(page, "rupert.dale@acme-robotics.example", "/device");
  await page.getByLabel("Code").fill("wrong");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByLabel("Code")).toHaveAttribute("aria-invalid", "true");
  expect(await looks(page)).toEqual([]);
  await page.getByLabel("Code").fill(first.user_code.toLowerCase());
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByText("It asked from")).toBeVisible();
  expect(await looks(page)).toEqual([]);
  await page.getByRole("button", { name: "Let it in" }).click();
  await expect(page.getByText("It is in")).toBeVisible();
  expect(await call("ExchangeDevice", { device_code: first.device_code })).toMatchObject({
    status: "approved",
  });

  const second = await call("BeginDevice", {});
  await page.goto(new URL(second.verification_uri_complete).href);
  await page.getByRole("button", { name: "Refuse it" }).click();
  await expect(page.getByText("It was refused")).toBeVisible();
  expect(await call("ExchangeDevice", { device_code: second.device_code })).toMatchObject({
    status: "denied",
  });
});
