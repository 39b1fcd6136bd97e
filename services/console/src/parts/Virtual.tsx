import { Box } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type Key, type ReactNode, useEffect, useRef } from "react";

// Virtual draws only the lines in sight: there may be a hundred thousand. It says when the
// last ones come near, for who has more.
export function Virtual(p: {
  label: string;
  count: number;
  height: number; // of most lines, in pixels
  by: (index: number) => Key;
  more?: boolean; // count is not all
  onNear?: () => void;
  children: (index: number) => ReactNode;
}) {
  const box = useRef<HTMLDivElement>(null);
  const lines = useVirtualizer({
    count: p.count,
    getScrollElement: () => box.current,
    estimateSize: () => p.height,
    getItemKey: p.by,
    overscan: 12,
  });
  const items = lines.getVirtualItems();
  const near = (items.at(-1)?.index ?? 0) >= p.count - 40;
  const { onNear } = p;
  useEffect(() => {
    if (near) onNear?.();
  }, [near, onNear]);
  return (
    <Box ref={box} mah="70vh" style={{ overflow: "auto" }} tabIndex={0} role="region" aria-label={p.label}>
      <ul
        style={{
          height: lines.getTotalSize(),
          position: "relative",
          margin: 0,
          padding: 0,
          listStyle: "none",
        }}
      >
        {items.map((i) => (
          <li
            key={i.key}
            ref={lines.measureElement}
            data-index={i.index}
            aria-setsize={p.more ? -1 : p.count}
            aria-posinset={i.index + 1}
            style={{ position: "absolute", top: i.start, left: 0, right: 0 }}
          >
            {p.children(i.index)}
          </li>
        ))}
      </ul>
    </Box>
  );
}
