import {
  type CSSVariablesResolver,
  createTheme,
  defaultVariantColorsResolver,
  type MantineColor,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from "@mantine/core";

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

// readable is a colour's darkest shade on its lightest ground, and the other way round.
export function readable(color: MantineColor): string {
  return `light-dark(color-mix(in srgb, var(--mantine-color-${color}-9) 70%, black), var(--mantine-color-${color}-2))`;
}

// What is coloured lightly, as badges and alerts are, has a quiet ground and readable text.
const colors: VariantColorsResolver = (input) => {
  const own = defaultVariantColorsResolver(input);
  if (input.variant !== "light") return own;
  const color = input.color ?? input.theme.primaryColor;
  const dark = `color-mix(in srgb, var(--mantine-color-${color}-8) 20%, var(--mantine-color-body))`;
  return {
    ...own,
    color: readable(color),
    background: `light-dark(var(--mantine-color-${color}-0), ${dark})`,
  };
};

export const theme = createTheme({
  variantColorResolver: colors,
  components: { Accordion: { defaultProps: { variant: "contained" } } },
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

// What is said more quietly is still read: 4.5:1 and more on every ground that it stands on.
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: { "--mantine-color-dimmed": "#5c636a", "--mantine-color-error": "var(--mantine-color-red-9)" },
  dark: { "--mantine-color-dimmed": "#a6adb4", "--mantine-color-error": "var(--mantine-color-red-4)" },
});
