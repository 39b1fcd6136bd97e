import { createTheme, type MantineColorsTuple } from "@mantine/core";

// Teal, with shades 6 (light) and 8 (dark) at 4.5:1 and more against what stands on them.
const teal: MantineColorsTuple = [
  "#e3fafc",
  "#c5f0f5",
  "#99e0ea",
  "#66cddb",
  "#3bb5c7",
  "#1f9db1",
  "#0b7285",
  "#0a6475",
  "#095866",
  "#074652",
];

export const theme = createTheme({
  primaryColor: "teal",
  primaryShade: { light: 6, dark: 7 },
  colors: { teal },
  autoContrast: true,
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  fontFamily:
    'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace',
  headings: {
    fontWeight: "600",
    sizes: { h1: { fontSize: "1.5rem" }, h2: { fontSize: "1.15rem" }, h3: { fontSize: "1rem" } },
  },
});
