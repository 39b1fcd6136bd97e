import { existsSync } from "node:fs";
import { defineConfig } from "@playwright/test";

// A stage that stands already is taken as it is.
const stands = existsSync(`${process.env.IMAGO_STAGE}/ports.json`);

// The installation's own identity provider is played by a test, at the port that was found free.
const { IMAGO_IDP_PORT: port, IMAGO_IDP_SECRET: secret } = process.env;
const settings = {
  SIGN_UP: "open",
  OIDC_ISSUER: `http://127.0.0.1:${port}`,
  OIDC_CLIENT_ID: "imago",
  OIDC_CLIENT_SECRET_FILE: secret,
  OIDC_NAME: "Acme ID",
  TRUSTED_PROXIES: "127.0.0.0/8", // people come from places of their own: stage.ts
};
const set = Object.entries(settings).map(([name, value]) => `--set "${name}=${value}"`);

// The console is walked through on the real stack: imagod with its own Postgres and object
// store, beside the simulated org, as scripts/demo starts them. scripts/console browser
// builds all that and runs this.
export default defineConfig({
  testDir: "e2e",
  outputDir: "e2e/results",
  timeout: 240_000,
  expect: { timeout: 30_000 },
  workers: 2, // one org, one story: its pages are read two at a time
  fullyParallel: true,
  projects: [
    { name: "door", testMatch: "door.setup.ts" },
    {
      name: "pages",
      testMatch: ["pages.spec.ts", "states.spec.ts", "look.spec.ts"],
      dependencies: ["door"],
    },
    { name: "journeys", testMatch: ["journeys.spec.ts", "shop.spec.ts"], dependencies: ["pages"] },
    {
      name: "people",
      testMatch: [
        "account.spec.ts",
        "device.spec.ts",
        "factor.spec.ts",
        "passkey.spec.ts",
        "sso.spec.ts",
        "team.spec.ts",
        "token.spec.ts",
      ],
    },
  ],
  reporter: [["list"]],
  webServer: stands
    ? undefined
    : {
        command: `"$IMAGO_BIN/imago-demo" --bin "$IMAGO_BIN" --data "$IMAGO_STAGE" ${set.join(" ")}`,
        wait: { stdout: /Everything stays up/ },
        timeout: 180_000,
        gracefulShutdown: { signal: "SIGINT", timeout: 30_000 },
        stdout: process.env.IMAGO_VERBOSE ? "pipe" : "ignore",
      },
  use: {
    launchOptions: {
      executablePath: process.env.IMAGO_CHROMIUM,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
    trace: "retain-on-failure",
  },
});
