import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Text, Tooltip } from "@mantine/core";
import { useEffect, useState } from "react";
import { ago, date, moment } from "./format";

// useNow is the time, moved on every half minute.
export function useNow(every = 30_000): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => setNow(new Date()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

// Time shows a moment as people speak of it, and in full to who points at it.
export function Time({ at, none = "never" }: { at?: Timestamp; none?: string }) {
  const now = useNow();
  const then = date(at);
  if (!then) return <>{none}</>;
  return (
    <Tooltip label={moment(then)} events={{ hover: true, focus: true, touch: true }}>
      <Text component="time" inherit span dateTime={then.toISOString()}>
        {ago(then, now)}
      </Text>
    </Tooltip>
  );
}
