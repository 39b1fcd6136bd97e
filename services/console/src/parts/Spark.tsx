import { Box, Text } from "@mantine/core";
import type { DayCount } from "../gen/imago/v1/overview_pb";
import { counted } from "./format";

const width = 240;
const height = 36;

// Spark draws how much changed day by day, and says so in words.
export function Spark({ of }: { of: DayCount[] }) {
  const most = of.reduce((n, d) => Math.max(n, Number(d.changes)), 0);
  const total = of.reduce((n, d) => n + d.changes, 0n);
  const step = width / Math.max(1, of.length);
  const words = `${counted(total, "change")} in ${counted(of.length, "day")}`;
  return (
    <Box>
      <svg
        viewBox={`0 0 ${width} ${height}`}
        width="100%"
        height={height}
        preserveAspectRatio="none"
        role="img"
      >
        <title>{most ? `${words}, at most ${most} a day` : words}</title>
        <line
          x1={0}
          x2={width}
          y1={height - 0.5}
          y2={height - 0.5}
          stroke="var(--mantine-color-default-border)"
        />
        {of.map((d, i) => {
          const tall = most ? (Number(d.changes) / most) * (height - 2) : 0;
          return (
            <rect
              key={d.day}
              x={i * step + 1}
              y={height - tall}
              width={Math.max(1, step - 2)}
              height={tall}
              fill={d.findings > 0n ? "var(--mantine-color-orange-6)" : "var(--mantine-primary-color-filled)"}
            />
          );
        })}
      </svg>
      <Text size="xs" c="dimmed">
        {words}
      </Text>
    </Box>
  );
}
