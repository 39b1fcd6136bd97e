import { test } from "@playwright/test";
import { keep, signIn } from "./stage";

// The door is gone through once; the other tests go on with that session.
test("sign in", async ({ page }) => {
  await signIn(page);
  await keep(page);
});
