import { defineConfig } from "vite";

// The page works without a network and under a policy that allows files of this server only: nothing is inlined.
export default defineConfig({
  base: "/",
  server: { proxy: { "/api": "http://127.0.0.1:8600" } },
  build: {
    outDir: "../scrollintel/dashboard/bundle",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
});
