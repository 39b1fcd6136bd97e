import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The api serves what is built here below /, with a policy that lets in scripts and styles
// from its own origin only: nothing is inlined.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: "dist/app",
    assetsInlineLimit: 0,
    target: "es2024",
    reportCompressedSize: true,
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/imago.v1": { target: process.env.IMAGO_API ?? "https://127.0.0.1:8443", secure: false } },
  },
});
